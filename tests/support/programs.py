"""Programs under test: their output goes to files, and they end when the tests do."""

import atexit
import os
import pathlib
import re
import signal
import subprocess

from support.polling import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TEST_BIN_DIR", ROOT / "target" / "debug")).resolve()

_running = set()


@atexit.register
def _end_all():
    for process in list(_running):
        process.kill()
        process.wait()


def binary(name):
    path = BIN / name
    assert path.exists(), f"{path} is missing; cargo build -p auditcast -p receiver makes it"
    return str(path)


def environment(**settings):
    """An environment with nothing of the caller's but what programs need to be found."""
    return {"PATH": os.environ["PATH"], **{name: str(value) for name, value in settings.items() if value is not None}}


class Program:
    """A running program. Standard output and standard error are appended to `NAME.out` and `NAME.err`."""

    def __init__(self, name, command, folder, env):
        self.name = name
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        # What earlier runs wrote is skipped when something is looked for.
        self._skip = {path: path.stat().st_size if path.exists() else 0 for path in (self.out, self.err)}
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _running.add(self.process)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def text(self, path):
        """What this run wrote to `path`."""
        with path.open("rb") as file:
            file.seek(self._skip[path])
            return file.read().decode(errors="replace")

    def output(self):
        return self.text(self.out)

    def errors(self):
        return self.text(self.err)

    def line(self, path, pattern, seconds=30):
        """The match of `pattern` in what this run wrote, as soon as it is there."""

        def look():
            found = re.search(pattern, self.text(path), re.MULTILINE)
            if not found and not self.is_running():
                found = re.search(pattern, self.text(path), re.MULTILINE)
                assert found, f"{self.name} ended with {self.process.returncode} before it wrote {pattern}: {self.tail()}"
            return found

        return until(look, lambda: f"{pattern} from {self.name}: {self.tail()}", seconds)

    def tail(self):
        return "\n".join([*self.output().splitlines()[-5:], *self.errors().splitlines()[-25:]])

    def wait(self, seconds=30):
        """The exit code."""
        code = self.process.wait(seconds)
        _running.discard(self.process)
        return code

    def terminate(self, seconds=40):
        """Asks it to end, and gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """Ends it as a power cut would, as far as a signal can."""
        self.process.kill()
        return self.wait()


def run(name, *arguments, folder, env=None, seconds=60):
    """Runs a program of ours to its end: exit code, standard output, standard error."""
    done = subprocess.run(
        [binary(name), *arguments], cwd=folder, env=env or environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=seconds, check=False,
    )
    return done.returncode, done.stdout, done.stderr
