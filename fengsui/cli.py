"""The command line. Heavy modules are imported by the command that needs them, so that ``--help`` is there at once."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import click

from fengsui.exits import BUG, INTERRUPTED, SERVICE, InputFault, exit_code
from fengsui.roles import ROLES
from fengsui.version import __version__

if TYPE_CHECKING:
    from fengsui.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def main() -> NoReturn:
    """The entry point: one clear line for each error, and the contract's exit codes."""
    try:
        # Not standalone: the errors come here. An Exit comes back as its code.
        code = cli.main(prog_name="fengsui", standalone_mode=False)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "fengsui"
        message = " ".join(error.format_message().split())
        click.echo(f"fengsui: {message} (用法 · usage: {path} --help)", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read us has seen enough; without this Python would complain while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            _fail(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo(
            f"fengsui: {error.filename or '-'}: no space left to write to; free some, or write elsewhere", err=True
        )
        sys.exit(SERVICE)
    except Exception as error:
        _fail(error)
    sys.exit(code or 0)


def _fail(error: Exception) -> NoReturn:
    code = exit_code(error)
    if code is None or os.environ.get("FENGSUI_DEBUG"):
        import traceback

        traceback.print_exc()
    if code is None:
        click.echo(
            f"fengsui: 程序内部错误，请报告上面的内容 · a fault of the program, please report the above: {error!r}",
            err=True,
        )
        sys.exit(BUG)
    # Faults of rule files and settings are one line each already, with their places.
    for line in str(error).splitlines() or [type(error).__name__]:
        click.echo(f"fengsui: {line}", err=True)
    sys.exit(code)


# --- options that several commands share


def _directory(command: F) -> F:
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="数据目录，默认 ./data · data directory, ./data by default",
    )(command)


def _config(command: F) -> F:
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="设置文件，默认 ./fengsui.toml · settings file, ./fengsui.toml by default",
    )(command)


def _rules_option(command: F) -> F:
    return click.option(
        "--rules",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="规则目录，默认内置规则包 · rules directory, the built-in packs by default",
    )(command)


def _server(command: F) -> F:
    options = [
        click.option(
            "--listen", metavar="HOST:PORT", help="监听地址，端口 0 为任选 · address; port 0 takes a free one"
        ),
        click.option(
            "--store", metavar="URL", help="存储：chdb:///目录 或 http(s)://ClickHouse · where history is kept"
        ),
        click.option(
            "--live", metavar="URL", help="实时状态：memory:// 或 redis://主机:端口/库 · where current alerts are kept"
        ),
        click.option(
            "--watch/--no-watch",
            default=None,
            help="规则文件一改就重新读，默认是 · read rule files again when they change, the default",
        ),
        click.option("--zone", metavar="NAME", help="日界时区，默认 Asia/Shanghai · where days begin at midnight"),
        click.option("--behind-proxy/--no-behind-proxy", default=None, help="TLS 由前置代理终结 · a proxy ends TLS"),
        click.option("--tls-cert", metavar="FILE", help="证书（PEM）· certificate"),
        click.option("--tls-key", metavar="FILE", help="私钥（PEM）· private key"),
        click.option("--log-max-gb", type=float, metavar="N", help="每个日志的上限，默认 8 · bound of each log"),
        click.option("--log-max-days", type=float, metavar="N", help="日志保留天数，默认 30 · days that logs are kept"),
        click.option("--verbosity", metavar="LEVEL", help="debug、info、warning、error"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _log(command: F) -> F:
    return click.option(
        "--log", metavar="URL", help="集群：kafka://主机:端口/集群名 · the cluster, kafka://HOST:PORT/NAME"
    )(command)


def _context(command: F) -> F:
    return click.option(
        "--rules",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="规则目录，默认文件所在的目录 · rules directory, by default the file's own",
    )(command)


def _span(command: F) -> F:
    for name, target, text in (
        ("--to", "until", "止（不含），默认历史的末尾 · not included; the end of the history by default"),
        ("--from", "since", "起（含），默认 --to 之前 7 天 · included; 7 days before --to by default"),
    ):
        command = click.option(name, target, metavar="TIME", help=text)(command)
    return command


def _settings(config: Path | None, **flags: object) -> Settings:
    from fengsui.settings import load_settings

    return load_settings(flags, config=config)


# --- commands


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, "-V", "--version", message="fengsui %(version)s")
def cli() -> None:
    """烽燧：面向监管部门的实时监测预警。

    Fengsui: real-time monitoring and early warning for supervision authorities.
    """


@cli.command(short_help="生成的一天放进整套系统 · the whole system with a generated day")
@_directory
@_rules_option
@_server
@_config
@click.option(
    "--seed", type=int, default=1, show_default=True, help="同一个种子生成同一天 · the same seed, the same day"
)
@click.option("--speed", type=click.FloatRange(1, 3600), default=60, show_default=True, help="播放倍速 · times as fast")
@click.option(
    "--write", type=click.Path(path_type=Path), metavar="FILE", help="只把这一天写成 NDJSON · only write the day"
)
def demo(data: Path | None, config: Path | None, seed: int, speed: float, write: Path | None, **flags: object) -> None:
    """在一台机器上运行整套系统，播放生成的一天；标准输出先给出值班页地址，再给出一次性登录链接。

    不给 --data 时用临时目录，结束即删除。

    The whole system on one machine with a generated day played into it. Prints the board's address and a one-time
    sign-in link, one a line. Without --data it lives in a temporary directory that is taken away at the end.
    """
    if write is not None:
        from fengsui.demo.write import write_day

        click.echo(f"{write_day(write, seed=seed)} events: {write}", err=True)
        return
    settings = _settings(config, data=data, **flags)
    from fengsui.up import run_demo

    given = settings.data if settings.origins["data"] != "built in" else None
    run_demo(settings, seed=seed, speed=speed, data=given)


@cli.command(short_help="运行整套系统，等待真实数据 · the whole system, waiting for real events")
@_directory
@_rules_option
@_server
@_config
def up(config: Path | None, **flags: object) -> None:
    """在一台机器上运行整套系统，等待真实数据；全部内容保存在数据目录下。

    The whole system on one machine, waiting for real events; everything is kept in the data directory.
    Off loopback it needs TLS (--tls-cert, --tls-key) or --behind-proxy.
    """
    settings = _settings(config, **flags)
    from fengsui.up import run_up

    run_up(settings)


@cli.command(short_help="历史事件重放 · recorded events through the rules")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@_rules_option
@click.option("--out", required=True, metavar="FILE", help="写出预警变化（NDJSON），- 为标准输出 · transitions go here")
@click.option("--until", metavar="TIME", help="RFC 3339 时刻，其后的事件不读 · events after it are not read")
@click.option(
    "--batch",
    type=click.IntRange(1),
    metavar="N",
    help="每步事件数，不改变结果 · events a step; the result is the same",
)
@_config
def replay(
    files: tuple[str, ...], rules: Path | None, out: str, until: str | None, batch: int | None, config: Path | None
) -> None:
    """把历史事件（NDJSON、.gz、.zst、.parquet，- 为标准输入）按时间合并后以最快速度送入规则引擎。

    Recorded events (NDJSON, .gz, .zst, .parquet, - for standard input), merged by time, through the engine as fast as
    it goes. A summary goes to standard error.
    """
    settings = _settings(config, rules=rules)
    gc.disable()  # nothing that is loaded now is garbage: looking for some takes a tenth of the start
    from fengsui.replaying import run_replay

    run_replay(files, settings, out=out, until=until, batch=batch)


@cli.group(short_help="规则：检查、测试、说明、模式、重新加载 · rules: check, test, explain, schema, reload")
def rules() -> None:
    """规则文件。

    Rule files.
    """


@rules.command("check", short_help="加载并检查规则 · load and type-check")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@_config
def rules_check(directory: Path, config: Path | None) -> None:
    """加载并检查一个目录（或一个文件）的规则，一次列出全部错误及其位置。

    Loads and type-checks the rules of a directory (or one file); shows every error at once, with its place.
    """
    zone = _settings(config).zone
    from collections import Counter

    from rules.load import load_rules

    ruleset = load_rules(directory, zone=zone)
    if not ruleset.rules:
        raise InputFault(f"{directory}: no rules in it; a file holds a list under `rules:` (docs/rules.md)")
    kinds = Counter(rule.kind for rule in ruleset.rules)
    modes = Counter[str](rule.mode for rule in ruleset.rules)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    quiet = "".join(
        f", {modes[mode]} {word}" for mode, word in (("shadow", "in shadow"), ("off", "off")) if modes[mode]
    )
    click.echo(f"规则无误 · {len(ruleset.rules)} rules are in order ({told}{quiet}); version {ruleset.version}")


@rules.command("test", short_help="运行规则旁的用例 · run the tests beside the rules")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="另写 JUnit XML · also write JUnit XML, for CI"
)
@click.option("--rule", metavar="PATTERN", help="只跑这些规则，如 'env.water.*' · only rules of this pattern")
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="进程数，默认自动 · processes; by default as they pay"
)
@_config
def rules_test(directory: Path, junit: Path | None, rule: str | None, jobs: int | None, config: Path | None) -> None:
    """运行规则文件旁 *.test.yaml 里的用例：应当打开、升级、关闭的，和不应发生的。失败时逐条对比，并给出文件和行。

    Runs the tests in *.test.yaml beside the rules: what must open, escalate and close, and what must not. A failure shows
    what was expected against what happened, with file and line. Exit 1 where any failed.
    """
    zone = _settings(config).zone
    from fengsui.workbench.testing import run_tests

    if not run_tests(directory, zone=zone, pattern=rule, report=junit, processes=jobs):
        raise click.exceptions.Exit(1)


@rules.command("schema", short_help="规则文件的 JSON Schema · for editors")
@_rules_option
@_directory
@click.option(
    "--url", is_flag=True, help="只打印运行中的系统提供它的地址 · only print where a running system serves it"
)
@click.option("--tests", is_flag=True, help="用例文件（*.test.yaml）的 · of the tests beside the rules")
@_config
def rules_schema(rules: Path | None, data: Path | None, *, url: bool, tests: bool, config: Path | None) -> None:
    """规则文件或用例文件的 JSON Schema，供编辑器补全和检查（docs/rules.md）。数据来源和字段取自 --rules 目录的 feeds.yaml。

    The JSON Schema of rule files, or of the tests beside them, for editors (docs/rules.md). Feeds and fields are those of
    the feeds.yaml in the rules directory. With --url, the address at which the system that runs on --data serves it, for
    editors on this machine.
    """
    settings = _settings(config, rules=rules, data=data)
    if url:
        from fengsui.remote import schema_url

        click.echo(schema_url(settings))
        return
    import json

    if tests:
        from fengsui.workbench.fixture_schema import fixture_schema

        shape = fixture_schema()
    else:
        from rules.load import load_catalog
        from rules.schema import schema

        if settings.rules is not None and not settings.rules.is_dir():
            raise InputFault(f"{settings.rules}: no such directory of rules")
        shape = schema(load_catalog(settings.rules))
    click.echo(json.dumps(shape, ensure_ascii=False, indent=1))


@rules.command(
    "explain", short_help="用白话说明规则，或为什么报、为什么没报 · what a rule does, why it opened or did not"
)
@click.argument("named", nargs=-1, metavar="[ID|DIR|FILE]...")
@_rules_option
@click.option("--why", metavar="ALERT", help="这条预警为什么开启 · why this alert opened")
@click.option("--why-not", metavar="RULE", help="这条规则为什么没有报 · why this rule opened nothing")
@click.option("--key", metavar="K", help="对象，如 subject=甲厂 DW001,metric=w01018 · whom it should have been about")
@click.option("--at", metavar="TIME", help="何时，RFC 3339 · when it should have opened")
@_directory
@click.option(
    "--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="说明用的语言 · in which language"
)
@_config
def rules_explain(
    named: tuple[str, ...],
    rules: Path | None,
    why: str | None,
    why_not: str | None,
    key: str | None,
    at: str | None,
    data: Path | None,
    lang: Literal["zh", "en"],
    config: Path | None,
) -> None:
    """用白话说明规则：看什么、怎么判断、何时报警、几级、之后怎样。可给规则编号，也可给目录或文件。

    --why 预警编号：当时每个条件的数值，是否成立。--why-not 规则编号 --key 对象 --at 时间：哪一步没有满足；历史取自数据目录，
    或者取自给出的事件文件。

    Says in plain words what rules do: give their ids, or a directory or a file of rules. With --why: the values that each
    part of the condition had. With --why-not: which step failed; from the history of a data directory, or of event files.
    """
    if (why is not None and (why_not is not None or named)) or (why_not is None and not why and not named):
        raise click.UsageError("give rules to explain, or --why ALERT, or --why-not RULE --key K --at TIME")
    if why_not is None and (key is not None or at is not None):
        raise click.UsageError("--key and --at go with --why-not RULE")
    if why_not is not None and (key is None or at is None):
        raise click.UsageError("--why-not needs --key and --at: whom it should have been about, and when")
    settings = _settings(config, rules=rules, data=data)
    if why is not None:
        from fengsui.workbench.why import why as explain_why

        click.echo(explain_why(why, settings, lang))
    elif why_not is not None and key is not None and at is not None:
        from fengsui.workbench.why_not import why_not as explain_why_not

        click.echo(explain_why_not(why_not, key, at, named, settings, lang))
    else:
        from fengsui.workbench.explaining import explain

        click.echo(explain(named, settings, lang))


@rules.command("backtest", short_help="规则在历史上会报什么 · what a rule would have opened")
@click.argument("rule", type=click.Path(path_type=Path), metavar="RULE.yaml")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@_span
@_directory
@_context
@click.option("--store", metavar="URL", help="存储，默认数据目录里的 · the data directory's own by default")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="写出 JSON，- 为标准输出 · as JSON; - is stdout",
)
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path), metavar="FILE", help="写出带图的网页 · with a picture"
)
@_config
def rules_backtest(
    rule: Path,
    files: tuple[str, ...],
    since: str | None,
    until: str | None,
    json_file: Path | None,
    html_file: Path | None,
    config: Path | None,
    **flags: object,
) -> None:
    """用改过（或新写）的规则重算历史：本会报出什么，与实际报出的对比。历史取自数据目录，或给出的事件文件；
    规则文件放在 --rules 目录（默认为它所在的目录）的环境里检查。

    Runs a changed or new rule over stored history, or over event files, and says what would have opened against what did
    open. The rule is checked in the context of --rules, by default the directory that it stands in.
    """
    settings = _settings(config, **flags)
    from fengsui.workbench.backtesting import run_backtest

    run_backtest(rule, files, settings, since=since, until=until, json_file=json_file, html_file=html_file)


@rules.command("tune", short_help="按想要的预警数求阈值 · a threshold for a wanted number of alerts")
@click.argument("rule", type=click.Path(path_type=Path), metavar="RULE.yaml")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option(
    "--alerts-per-day",
    "wanted",
    required=True,
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="想要的平均每天条数 · how many alerts a day, on average",
)
@click.option("--rule", "named", metavar="ID", help="文件里有多条规则时，调哪一条 · which of the file's rules")
@click.option("--number", type=float, metavar="X", help="调哪个数（按现值）· which number, by its present value")
@click.option("--position", type=click.IntRange(1), metavar="K", help="调第几个数 · which number, by its place from 1")
@_span
@_directory
@_context
@click.option("--store", metavar="URL", help="存储，默认数据目录里的 · the data directory's own by default")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="写出 JSON，- 为标准输出 · as JSON; - is stdout",
)
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path), metavar="FILE", help="写出带曲线的网页 · with the curve"
)
@_config
def rules_tune(
    rule: Path,
    files: tuple[str, ...],
    wanted: float,
    named: str | None,
    number: float | None,
    position: int | None,
    since: str | None,
    until: str | None,
    json_file: Path | None,
    html_file: Path | None,
    config: Path | None,
    **flags: object,
) -> None:
    """在历史上试一条规则的阈值，提出一个平均每天报 N 条的整齐的值，并给出曲线；不改文件，只打印改后的行。
    默认调 when 里第一个单独与字段比较的数，也可以是等级阶梯里的。

    Tries the threshold of a rule on history and proposes a round value that gives N alerts a day, with the curve. The file is
    left alone; the changed line is printed. Without --number or --position it is the first number that stands alone in a
    comparison of `when`, or of the severity ladder.
    """
    settings = _settings(config, **flags)
    from fengsui.workbench.tuning import run_tune

    run_tune(
        rule,
        files,
        settings,
        wanted=wanted,
        named=named,
        number=number,
        position=position,
        since=since,
        until=until,
        json_file=json_file,
        html_file=html_file,
    )


@rules.command("reload", short_help="让运行中的系统重新读规则 · a running system reads its rules again")
@_directory
@_config
def rules_reload(config: Path | None, **flags: object) -> None:
    """让正在运行的系统立即重新读它的规则目录，并列出变化；有错误时整体不生效，旧规则继续运行。

    A running system reads its rules directory again, at once, and says what changed. Where there is any error nothing
    of it takes effect, and the old rules stay in force. (Without --no-watch it also does so by itself.)
    """
    settings = _settings(config, **flags)
    from fengsui.remote import reload_rules

    click.echo(reload_rules(settings))


@cli.group(short_help="Redis 中的实时状态 · the live state in Redis")
def live() -> None:
    """实时状态。

    The live state.
    """


@live.command("rebuild", short_help="从日志重建 · make it again from the log")
@_directory
@click.option("--live", metavar="URL", help="redis://主机:端口/库 · where it is kept, as for up")
@click.option("--log", metavar="URL", help="集群：kafka://主机:端口/集群名 · of a cluster, its log")
@click.option("--store", metavar="URL", help="存储，日志已裁掉的预警从中取 · for alerts that the log no longer has")
@click.option("--replace", is_flag=True, help="前缀属于别的系统时也取代它 · also where it is another system's")
@_config
def live_rebuild(config: Path | None, *, replace: bool, **flags: object) -> None:
    """从预警变化日志（已裁掉的部分从存储）重建 Redis 中的实时状态；建好才切换，期间值班页照常。

    Makes the live state in Redis again from the transition log, and from the store for what the log no longer has. It is
    built beside the one in force and then takes its place: boards are served all the while. Redis holds nothing that
    cannot be made again so. Where a system runs on --data, that does it.
    """
    settings = _settings(config, **flags)
    from fengsui.live_rebuild import run_rebuild

    run_rebuild(settings, replace=replace)


@cli.group(short_help="管理员令牌 · the administrator's token")
def token() -> None:
    """管理员令牌。

    The administrator's token.
    """


@token.command("rotate", short_help="换一个新令牌 · a new one in its place")
@_directory
@_config
def token_rotate(config: Path | None, **flags: object) -> None:
    """写入新令牌；旧令牌和所有登录立即失效，运行中的系统无需重启。

    Writes a new token. The old one and every sign-in end at once, also in a running system.
    """
    settings = _settings(config, **flags)
    from dashboards.server.tokens import TOKEN_FILE, rotate
    from fengsui.layout import DataDirectory

    directory = DataDirectory(settings.data)
    if not directory.exists:
        raise InputFault(
            f"{settings.data} is no data directory of Fengsui: give one with --data, or start `fengsui up` first"
        )
    directory.check_version()
    rotate(settings.data)
    click.echo(f"新令牌在 · the new token is in {settings.data / TOKEN_FILE}")


@cli.group(short_help="集群：主题 · a cluster's topics")
def topics() -> None:
    """集群在 Kafka 上的主题。

    A cluster's topics on Kafka.
    """


@topics.command("apply", short_help="建立主题、改正设置 · make the topics, mend their settings")
@_log
@click.option(
    "--partitions", type=click.IntRange(1, 1000), metavar="N", help="事件分区数，新集群默认 12 · of the events"
)
@click.option("--wide", type=click.IntRange(1, 1000), metavar="N", help="跨分区规则的分区数，默认 4 · of wide rules")
@click.option(
    "--adopt", is_flag=True, help="从别处复制来的主题自成一个集群 · copied topics become a cluster of their own"
)
@click.option("--yes", "-y", is_flag=True, help="不再询问 · do not ask")
@click.option("--dry-run", is_flag=True, help="只显示差别 · only show the difference")
@_config
def topics_apply(
    log: str | None,
    partitions: int | None,
    wide: int | None,
    *,
    adopt: bool,
    yes: bool,
    dry_run: bool,
    config: Path | None,
) -> None:
    """对照集群应有的主题和设置，先列出差别，确认后才改动。已有事件的分区数不能再变。

    Compares the topics and their settings with what they should be; shows the difference before anything is changed. The
    partitions of events cannot be changed once they are made.
    """
    settings = _settings(config, log=log)
    from fengsui.topics import run_apply

    run_apply(settings, partitions=partitions, wide=wide, adopt=adopt, yes=yes, dry_run=dry_run)


@cli.command(short_help="集群：把历史写进存储 · fill the store from a cluster")
@click.argument("name", type=click.Choice(["store-events", "store-transitions", "store-dead"]))
@_log
@click.option("--store", metavar="URL", help="存储：http(s)://ClickHouse · where history is kept")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="存储不可用时暂存的目录，每个进程一个，默认 ./data · of what is kept while the store is down, one for each process",
)
@click.option("--listen", metavar="HOST:PORT", help="/metrics 和 /readyz 的地址，默认任选端口 · a free port by default")
@click.option("--verbosity", metavar="LEVEL", help="debug、info、warning、error")
@_config
def sink(name: str, config: Path | None, **flags: object) -> None:
    """把集群的事件、预警变化或拒收内容写进 ClickHouse。可以起任意多个，共同分担分区；可以随时停止或被杀死，历史不缺不重。

    Writes the events, alert transitions or refused lines of a cluster into ClickHouse. There may be any number of each, which
    share the partitions; one may stop or be killed at any time, and history misses and doubles nothing.
    """
    flags["listen"] = flags["listen"] or "127.0.0.1:0"
    settings = _settings(config, **flags)
    from fengsui.sink import run_sink

    run_sink(name, settings)


@cli.command(short_help="检查设置和各项服务 · check settings and services")
@_directory
@_rules_option
@_server
@_log
@_config
def doctor(config: Path | None, **flags: object) -> None:
    """检查设置以及它提到的每一项服务，并说明哪里不对、怎么办。

    Checks the settings and every service that they name; says what is wrong and what to do.
    """
    settings = _settings(config, **flags)
    from fengsui.doctor import examine

    code = examine(settings, click.echo)
    if code:
        raise click.exceptions.Exit(code)


@cli.command(short_help="备份数据目录 · back up a data directory")
@_directory
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), metavar="FILE", help="如 · such as backup.tar.zst"
)
@_config
def backup(to: Path, config: Path | None, **flags: object) -> None:
    """备份一个数据目录，系统运行时也可以。

    Backs up a data directory, also while a system runs on it.
    """
    settings = _settings(config, **flags)
    from fengsui.saving import run_backup

    run_backup(settings.data, to)


@cli.command(short_help="从备份恢复 · restore a backup")
@_directory
@click.option(
    "--from", "source", required=True, type=click.Path(path_type=Path), metavar="FILE", help="备份文件 · the backup"
)
@_config
def restore(source: Path, config: Path | None, **flags: object) -> None:
    """把备份恢复到一个空的数据目录。

    Restores a backup into an empty data directory.
    """
    settings = _settings(config, **flags)
    from fengsui.saving import run_restore

    run_restore(source, settings.data)


@cli.command("version", short_help="版本 · the version")
def version() -> None:
    """程序、Python 和主要组件的版本。

    The versions of the program, of Python and of its main parts.
    """
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    click.echo(f"fengsui {__version__}")
    click.echo(f"python {platform.python_version()}")
    for name in ("polars", "numba", "chdb", "starlette", "uvicorn", "websockets"):
        try:
            click.echo(f"{name} {installed(name)}")
        except PackageNotFoundError:
            click.echo(f"{name} —")


for role in ROLES:
    cli.add_command(role)


if __name__ == "__main__":
    main()
