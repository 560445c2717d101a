"""Settings: flags, then variables, then the file, each fault named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from fengsui.settings import Listen, SettingsError, load_settings


def test_flags_win_over_variables_over_the_file(tmp_path: Path) -> None:
    """The order of the contract; the origin of each value is known."""
    config = tmp_path / "fengsui.toml"
    config.write_text('data = "from-file"\nlisten = "127.0.0.1:1"\nzone = "UTC"\n')
    environ = {"FENGSUI_LISTEN": "127.0.0.1:2", "FENGSUI_DATA": "from-variable", "PATH": "x"}
    settings = load_settings({"data": "from-flag", "listen": None}, environ=environ, config=config)
    assert settings.data == Path("from-flag")
    assert settings.listen == Listen("127.0.0.1", 2)
    assert settings.zone == "UTC"
    assert settings.origins["data"] == "--data"
    assert settings.origins["listen"] == "FENGSUI_LISTEN"
    assert settings.origins["zone"].startswith(str(config))
    assert settings.origins["store"] == "built in"


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    """Unknown names with a hint, values with what would do."""
    config = tmp_path / "fengsui.toml"
    config.write_text('lisen = "x"\nlog_max_gb = -1\n')
    with pytest.raises(SettingsError) as raised:
        load_settings({"listen": "8080x"}, environ={"FENGSUI_ZONE": "Mars/Base", "FENGSUI_DATTA": "x"}, config=config)
    text = str(raised.value)
    assert "did you mean listen?" in text
    assert "did you mean FENGSUI_DATA?" in text
    assert "FENGSUI_ZONE" in text
    assert "above 0" in text
    assert "HOST:PORT" in text
    assert len(raised.value.faults) == 5


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:8080", Listen("127.0.0.1", 8080)),
        (":0", Listen("127.0.0.1", 0)),
        ("[::1]:9000", Listen("::1", 9000)),
        ("localhost:80", Listen("localhost", 80)),
    ],
)
def test_addresses(text: str, listen: Listen) -> None:
    """IPv4, IPv6 in brackets, names; without a host it is loopback."""
    assert load_settings({"listen": text}, environ={}).listen == listen
    assert listen.loopback


def test_off_loopback_needs_tls_or_a_proxy(tmp_path: Path) -> None:
    """Tokens do not travel in the clear unless somebody says that a proxy takes care of it."""
    with pytest.raises(SettingsError, match="--behind-proxy"):
        load_settings({"listen": "0.0.0.0:8080"}, environ={})
    assert load_settings({"listen": "0.0.0.0:8080", "behind_proxy": True}, environ={}).behind_proxy
    for name in ("cert", "key"):
        (tmp_path / name).write_text("x")
    flags = {"listen": "0.0.0.0:8080", "tls_cert": tmp_path / "cert", "tls_key": tmp_path / "key"}
    assert load_settings(flags, environ={}).tls
    with pytest.raises(SettingsError, match="go together"):
        load_settings({"tls_cert": tmp_path / "cert"}, environ={})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """Not TOML; not there though it was named; not there and not named is fine."""
    config = tmp_path / "f.toml"
    with pytest.raises(SettingsError, match="no such file"):
        load_settings({}, environ={}, config=config)
    config.write_text("= 3")
    with pytest.raises(SettingsError, match="TOML"):
        load_settings({}, environ={"FENGSUI_CONFIG": str(config)})


def test_the_stores_password_is_no_part_of_any_message(tmp_path: Path) -> None:
    """From a variable or a file; both at once are refused."""
    file = tmp_path / "password"
    file.write_text("geheim\n")
    settings = load_settings(
        {}, environ={"FENGSUI_STORE": "https://u@h:8443/d", "FENGSUI_STORE_PASSWORD_FILE": str(file)}
    )
    address = settings.store_address(tmp_path)
    assert address.password == "geheim"
    assert "geheim" not in repr(address) + repr(settings)
    with pytest.raises(SettingsError, match="give one of them") as raised:
        load_settings({"store_password": "geheim", "store_password_file": file, "store": "http://h/d"}, environ={})
    assert "geheim" not in str(raised.value)
    with pytest.raises(SettingsError, match="store on a server"):
        load_settings({"store_replicated": "true"}, environ={})
