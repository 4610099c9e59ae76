"""Running `ip`, `nft` and their like; the one place where the lab starts short-lived commands."""

import subprocess


class LabError(Exception):
    """The lab could not be built, or a call in a scenario went otherwise than its truth says."""


def run(*command: str, stdin: str | None = None) -> str:
    """Run a command and return its stdout.

    Raises:
        LabError: It failed; the message holds the command and what it said.
    """
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}"
        raise LabError(message)
    return done.stdout


class Namespace:
    """A network namespace made with `ip netns`, deleted with everything in it by `delete`."""

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a command inside and return its stdout."""
        return run("ip", "netns", "exec", self.name, *command, stdin=stdin)

    def ip(self, *batch: str) -> None:
        """Run several `ip` commands inside, one process for all of them."""
        run("ip", "-n", self.name, "-batch", "-", stdin="\n".join(batch) + "\n")

    def sysctl(self, **settings: int | str) -> None:
        """Set sysctls under net/; `ipv4__ip_forward=1` is net.ipv4.ip_forward."""
        writes = [f"net.{key.replace('__', '.')}={value}" for key, value in settings.items()]
        self.run("sysctl", "-q", "-w", *writes)

    def popen(self, *command: str, **options: object) -> subprocess.Popen[str]:
        """Start a long-lived process inside, with text pipes as asked for in `options`."""
        inside = ["ip", "netns", "exec", self.name, *command]
        return subprocess.Popen(inside, text=True, **options)  # type: ignore[call-overload,no-any-return]

    def delete(self) -> None:
        """Remove the namespace, and with it its ends of every veth pair."""
        run("ip", "netns", "delete", self.name)
