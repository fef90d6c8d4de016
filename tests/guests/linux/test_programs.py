"""Unmodified programs, static and dynamic, of both C libraries, and what qemu-aarch64 makes of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from cvmdbg.guests.linux.opening import Root
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Move, StopKind, UserError
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.inferior import Inferior
from sessions.event import Event
from sessions.machine import replay
from tests.guests.linux.running import PROGRAMS, finish, in_qemu, run, target

long = pytest.mark.skipif(
    "CVMDBG_LONG_TESTS" not in os.environ, reason="takes minutes: set CVMDBG_LONG_TESTS to run it"
)


@pytest.mark.parametrize("name", ["hello", "hello_musl"])
def test_a_dynamic_program_prints_its_arguments(debian: Path, name: str) -> None:
    ran = run(PROGRAMS / name, "one", "", "üñ", root=debian)
    assert ran.text == f"0 /{name}\n1 one\n2 \n3 üñ\n"
    assert ran.status == 4


@pytest.mark.parametrize("name", ["hello", "hello_musl", "exceptions"])
def test_it_prints_what_it_prints_in_qemu(debian: Path, qemu: str, name: str) -> None:
    ran = run(PROGRAMS / name, "a", "b c", root=debian)
    assert (ran.status, ran.printed) == in_qemu(qemu, debian, PROGRAMS / name, "a", "b c")


SCRIPTS = [
    "echo one; echo two | tr a-z A-Z; echo $((6*7))",
    "for i in 3 1 2; do echo $i; done | sort -r | head -2",
    "cd /tmp; echo text > a; cat a a | wc -l; rm a; ls a; echo $?",
    "(exit 5); echo $?; true && false || echo no",
    "x=$(echo inner | sed s/n/m/g); echo $x; trap 'echo bye' EXIT; kill -USR1 $$ 2>/dev/null || true",
    "yes | head -2000 | tail -1; seq 1 20000 | awk '{s+=$1} END {print s}'",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_shell_of_busybox_and_its_pipelines(debian: Path, qemu: str, script: str) -> None:
    busybox = debian / "bin/busybox"
    ran = run(busybox, "sh", "-c", script, root=debian)
    assert not [r for r in ran.stops if r.status is None]
    status, printed = in_qemu(qemu, debian, busybox, "sh", "-c", script, name="/bin/busybox")
    assert (ran.status, ran.text.replace("/bin/busybox", "busybox")) == (status, printed.decode())


def test_signals_come_and_go_as_in_qemu(debian: Path, qemu: str) -> None:
    ran = run(PROGRAMS / "signals", root=debian)
    assert [r.kind for r in ran.stops] == [StopKind.FAULT, StopKind.EXIT]
    assert (ran.status, ran.printed) == in_qemu(qemu, debian, PROGRAMS / "signals")


def test_a_deadlock_says_who_holds_and_who_waits(debian: Path) -> None:
    (stop,) = run(PROGRAMS / "deadlock", root=debian).stops
    assert stop.kind is StopKind.DEADLOCK
    assert re.search(r"17/1000 waits for futex 0x\w+, a mutex that 17/1001 holds; 17/1001 waits for", stop.detail)
    assert stop.detail.endswith("a deadlock: 17/1000 → 17/1001 → 17/1000")


def test_a_lost_wake_up_is_said(debian: Path) -> None:
    (stop,) = run(PROGRAMS / "deadlock", "lost", root=debian).stops
    assert stop.kind is StopKind.DEADLOCK
    assert re.search(r"a wake-up of it at tick \d+ by 1000 found nobody waiting: it was lost", stop.detail)


SQL = """
create table place(name text primary key, size int); create index by_size on place(size);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)
insert into place select 'p' || i, i * i % 97 from n;
update place set size = size + 1000 where size in (select size from place group by size having count(*) > 3);
select count(*), sum(size), max(name), group_concat(size) from (select * from place order by size, name limit 20);
begin; delete from place where size > 500; rollback; select count(*) from place; pragma integrity_check;
"""


def test_sqlite_works_through_a_generated_script(debian: Path, qemu: str) -> None:
    sqlite = debian / "usr/bin/sqlite3"
    rows = "".join(f"insert into more values({i}, 'row {i * 37 % 101}');\n" for i in range(60))
    script = SQL + "create table more(a, b);\n" + rows + "select b, count(*) from more group by b order by 1 limit 9;\n"
    ran = run(sqlite, "/tmp/file.db", root=debian, stdin=script.encode())
    assert (ran.status, ran.printed) == in_qemu(qemu, debian, sqlite, ":memory:", stdin=script.encode())


def test_lua_runs(debian: Path, qemu: str) -> None:
    lua = debian / "usr/bin/lua5.4"
    source = (
        "local t = {} for i = 1, 500 do t[#t + 1] = ('%x'):format(i * i) end print(#table.concat(t), t[77], 7 // 2)"
    )
    source += " print(pcall(error, 'x'), string.rep('ab', 3), math.type(2^53), os.getenv('HOME'))"
    ran = run(lua, "-e", source, root=debian)
    assert (ran.status, ran.printed) == in_qemu(qemu, debian, lua, "-e", source)


REDIS = """redis-server --port 7000 --save "" > /tmp/log & sleep 1
redis-cli -p 7000 set a 5; redis-cli -p 7000 incr a; redis-cli -p 7000 lpush l 1 2 3; redis-cli -p 7000 lrange l 0 -1
redis-cli -p 7000 eval 'return #redis.call("keys", "*")' 0; redis-cli -p 7000 shutdown nosave; wait; tail -1 /tmp/log
"""


def test_redis_answers_on_the_loopback_inside(debian: Path) -> None:
    ran = run(debian / "bin/busybox", "sh", "-c", REDIS, root=debian)
    *answers, last = ran.text.splitlines()
    assert answers == ["OK", "6", "3", "3", "2", "1", "2"]
    assert last.endswith("Redis is now ready to exit, bye bye...")
    assert ran.status == 0


THREADS = """
import threading
print("Hello world from CHERI python")
counter, lock = 0, threading.Lock()
def work():
    global counter
    print("Thread ID %d is starting." % threading.get_ident())
    for _ in range(COUNT):
        with lock:
            counter += 1
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("Final counter value:", counter)
"""


def _lines_of_threads(debian: Path, count: int) -> list[str]:
    python = debian / "usr/bin/python3.11"
    ran = run(python, "-c", THREADS.replace("COUNT", str(count)), root=debian)
    return re.sub(r"ID \d+", "ID N", ran.text).splitlines()


def test_two_threads_of_python_share_a_counter(debian: Path) -> None:
    greeting, one, other, last = _lines_of_threads(debian, 3000)
    assert (greeting, last) == ("Hello world from CHERI python", "Final counter value: 6000")
    assert one == other == "Thread ID N is starting."


@long
def test_the_last_lines_of_the_published_log(debian: Path) -> None:
    assert _lines_of_threads(debian, 1_000_000)[-1] == "Final counter value: 2000000"


@long
@pytest.mark.parametrize("name", ["json", "struct", "re", "zlib", "hashlib", "threading", "heapq"])
def test_pythons_own_tests_pass(debian: Path, name: str) -> None:
    ran = run(debian / "usr/bin/python3.11", "-m", "test", f"test_{name}", root=debian)
    assert ran.text.endswith("Tests result: SUCCESS\n"), ran.text[-3000:]
    assert ran.status == 0


def test_a_program_that_python_starts_gets_a_cvm_of_its_own(debian: Path) -> None:
    source = "import _posixsubprocess, os\nr, w = os.pipe()\npid = os.posix_spawn('/bin/busybox', ['busybox', 'echo', "
    source += (
        "'spawned'], {}, file_actions=[(os.POSIX_SPAWN_DUP2, w, 1)])\nprint(os.waitpid(pid, 0)[1], os.read(r, 99))"
    )
    made = target(debian / "usr/bin/python3.11", "-c", source, root=debian)
    ran = finish(made)
    assert ran.text == "0 b'spawned\\n'\n"
    assert {call.layer for call in ran.calls} == {"17→16", "18→16"}


def test_a_program_knows_its_path_however_it_was_called(debian: Path) -> None:
    ran = run("/bin/busybox", "sh", "-c", "cd /bin; ./busybox readlink /proc/self/exe", root=debian)
    assert ran.text == "/bin/busybox\n"


def test_python_runs_and_loads_its_extension_modules(debian: Path, qemu: str) -> None:
    source = "import json, zlib, hashlib, _heapq; print(json.dumps({'a': 2**70}), zlib.crc32(b'x'), hashlib.sha256(b'')"
    source += ".hexdigest(), _heapq.__file__ if hasattr(_heapq, '__file__') else '')"
    python = debian / "usr/bin/python3.11"
    ran = run(python, "-c", source, root=debian)
    status, printed = in_qemu(qemu, debian, python, "-c", source, name="/usr/bin/python3.11")
    assert (ran.status, ran.printed) == (status, printed.replace(str(debian).encode(), b""))


def test_a_program_without_its_interpreter_says_what_it_lacks() -> None:
    with pytest.raises(UserError, match=r"/hello: its interpreter /lib/ld-linux-aarch64\.so\.1 is not in the guest"):
        run(PROGRAMS / "hello")


def test_a_path_that_is_nowhere_is_said(debian: Path) -> None:
    with pytest.raises(UserError, match="there is no such file in the guest's root"):
        run("/usr/bin/nothing", root=debian)


@pytest.mark.parametrize(
    ("path", "args"),
    [
        (PROGRAMS / "exceptions", ()),
        (PROGRAMS / "signals", ()),
        ("/bin/busybox", ("sh", "-c", SCRIPTS[0])),
        ("/usr/bin/python3.11", ("-c", THREADS.replace("COUNT", "50"))),
        ("/usr/bin/sqlite3", (":memory:", "select 6 * 7")),
        ("/usr/bin/lua5.4", ("-e", "print(6 * 7)")),
    ],
)
def test_the_events_of_a_program_replay_to_its_end(debian: Path, path: Path | str, args: tuple[str, ...]) -> None:
    events: list[Event] = []
    live = EmulatorTarget(open_guest(str(path), args, Root(str(debian))), record=events.append)
    live.input.end()
    finish(live)
    again = Inferior()
    replay(again, events, until=live.tick)
    assert again.digest() == live.inferior.digest()


def test_a_guest_goes_on_from_a_saved_state(debian: Path) -> None:
    """Guest, machine and schedule taken back to a moment give the same end again."""
    python = debian / "usr/bin/python3.11"
    made = target(python, "-c", THREADS.replace("COUNT", "200"), root=debian)
    made.resume(Move.CONTINUE, budget=40_000_000)
    kept, inferior = made.guest.save(), made.inferior.save()
    made.drain()
    first = finish(made)
    digest = made.inferior.digest()
    made.guest.load(kept)
    made.inferior.load(inferior)
    second = finish(made)
    assert (second.printed, second.ticks, made.inferior.digest()) == (first.printed, first.ticks, digest)
