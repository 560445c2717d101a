"""A cluster's address: what it says, and what is wrong with one in a sentence that says what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from fengsui.settings import SettingsError, load_settings
from streams.cluster.address import AddressFault, parse_address
from streams.cluster.errors import SignInFailed, TlsFailed


def test_an_address_names_brokers_and_cluster():
    """Several brokers, a name, and how events are divided; all but brokers and name have defaults."""
    address = parse_address("kafka://a.example:9092,[::1]:9093/henan?partition_by=prefecture")
    assert address.servers == ("a.example:9092", "[::1]:9093")
    assert address.topic("events") == "henan.events"
    assert address.partition_by == "prefecture"
    assert (address.security, address.user) == ("plaintext", None)
    assert address.options() == {
        "bootstrap_servers": ["a.example:9092", "[::1]:9093"],
        "security_protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://a:1/n", "begins with 'redis'"),
        ("kafka://a:9092", "name is missing"),
        ("kafka://a:9092/", "name is missing"),
        ("kafka://a:9092/a.b", "cannot be a cluster's name"),
        ("kafka://a:9092/x/y", "cannot be a cluster's name"),
        ("kafka://a/n", "'a' is no broker"),
        ("kafka://a:0/n", "is no broker"),
        ("kafka://a:99999/n", "is no broker"),
        ("kafka://a:1,,b:2/n", "is no broker"),
        ("kafka://a:1/n?partition=subject", "no such parameter 'partition'"),
        ("kafka://a:1/n?partition_by=region", "write one of subject, prefecture"),
        ("kafka://a:1/n?security=tls", "write one of plaintext, ssl"),
        ("kafka://a:1/n?security=ssl&security=ssl", "given twice"),
        ("kafka://u:secret@a:1/n?security=sasl_ssl", "password must not stand in the address"),
        ("kafka://a:1/n?security=sasl_ssl", "needs a user"),
        ("kafka://u@a:1/n", "write security=sasl_ssl"),
        ("kafka://a:1/n?ca=x.pem", "write security=ssl"),
        ("kafka://a:1/n?security=ssl&ca=", "name files"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(url, told):
    """Each fault has its sentence, and none of them repeats a password."""
    with pytest.raises(AddressFault, match=told.replace("(", r"\(")) as fault:
        parse_address(url)
    assert "secret" not in str(fault.value)


def test_passwords_come_from_a_file_or_a_variable(tmp_path):
    """The file wins; none at all is told with the ways to give one; the address never shows it."""
    url = "kafka://gate@a:1/n?security=sasl_plaintext&mechanism=PLAIN"
    address = parse_address(url)
    assert address.password({"FENGSUI_KAFKA_PASSWORD": "v"}) == "v"
    with pytest.raises(SignInFailed, match="FENGSUI_KAFKA_PASSWORD"):
        address.password({})
    file = tmp_path / "password"
    file.write_text("f\n", encoding="utf-8")
    from_file = parse_address(f"{url}&password_file={file}")
    assert from_file.password({"FENGSUI_KAFKA_PASSWORD": "v"}) == "f"
    assert from_file.options()["sasl_plain_password"] == "f"
    file.unlink()
    with pytest.raises(SignInFailed, match="cannot be read"):
        from_file.password({})


def test_a_ca_file_that_is_none_is_told(tmp_path):
    """Before any broker is asked."""
    for path in (tmp_path / "missing.pem", Path(__file__)):
        with pytest.raises(TlsFailed, match="cannot be read as certificates"):
            parse_address(f"kafka://a:1/n?security=ssl&ca={path}").options()


def test_the_setting_log_is_checked(tmp_path, monkeypatch):
    """A bad address is a fault of the settings, with its place; the password's variable is no setting."""
    monkeypatch.chdir(tmp_path)
    assert load_settings({"log": "kafka://a:1/n"}, environ={"FENGSUI_KAFKA_PASSWORD": "x"}).log == "kafka://a:1/n"
    with pytest.raises(SettingsError, match="FENGSUI_LOG = 'kafka://a:1': the cluster's name is missing"):
        load_settings({}, environ={"FENGSUI_LOG": "kafka://a:1"})
