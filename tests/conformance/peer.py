"""The application on the other side: a Node.js process with openid-client and oauth4webapi, spoken to by JSON lines."""

import json
import selectors
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "peer"
SECONDS = 30


class PeerRefused(Exception):
    """The peer did not take what it was given, or was told an error: `error` is OAuth's code, `code` the library's."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(f"{told.get('error') or told.get('code')}: {told.get('description') or told.get('message')} {told}")
        self.error, self.code, self.status = told.get("error"), told.get("code"), told.get("status")


class Peer:
    """Each call of `peer.mjs` is a method: `peer.discover(issuer=..., client_id=...)`."""

    def __init__(self) -> None:
        command = [str(ROOT / "deploy" / "node"), "node", "peer.mjs"]
        self._process = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._process.stdout, selectors.EVENT_READ)

    def call(self, name: str, **args: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"call": name, "args": args}) + "\n")
        self._process.stdin.flush()
        if not self._ready.select(SECONDS):
            raise TimeoutError(name)
        answer = json.loads(self._process.stdout.readline() or '{"error": {"message": "the peer is gone"}}')
        if "error" in answer:
            raise PeerRefused(answer["error"])
        return answer["value"]

    def __getattr__(self, name: str) -> Any:
        return lambda **args: self.call(name, **args)

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
        self._ready.close()
