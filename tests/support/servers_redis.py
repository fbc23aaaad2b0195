"""Several Redis or Valkey servers that belong together: a cluster, and a master with a replica and its sentinels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import redis

from tests.support.eventually import eventually
from tests.support.processes import free_port
from tests.support.servers import Valkey

#: Milliseconds until a silent node counts as dead, where one is to die.
NODE_TIMEOUT = 1_000
#: The same where all are to live: one that is only slow must not take the cluster down with it.
LONG_NODE_TIMEOUT = 60_000


class RedisCluster:
    """A cluster of masters, each with an equal range of the slots, that keeps its data over a kill.

    :param program: the server; Valkey if not given.
    :param config: settings of each node.
    """

    def __init__(
        self,
        *,
        nodes: int = 3,
        program: str | None = None,
        config: Mapping[str, str] | None = None,
        watched: bool = True,
    ) -> None:
        settings = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(NODE_TIMEOUT),
            "appendonly": "yes",
            "appendfsync": "always",
            # A replica begins at once.
            "repl-diskless-sync-delay": "0",
            **(config or {}),
        }
        self._options: dict[str, Any] = {"watched": watched, "program": program}
        self._settings = settings
        self.nodes = [self._node(f"cluster{number}") for number in range(nodes)]
        self._replicas: list[Valkey] = []

    @property
    def url(self) -> str:
        """``redis://…?cluster=true`` with all of its nodes."""
        return f"redis://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}/?cluster=true"

    def start(self) -> Self:
        """Start the nodes and have them know each other; returns when each says that the cluster is whole."""
        for node in self.nodes:
            node.start()
        first, count = self.nodes[0], len(self.nodes)
        for number, node in enumerate(self.nodes):
            low, high = number * 16384 // count, (number + 1) * 16384 // count - 1
            self.command(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            self.command(node, "CLUSTER", "ADDSLOTSRANGE", low, high)
            if node is not first:
                self._meet(node)
        self.wait_until_whole()
        return self

    def add_replica(self, master: Valkey) -> Valkey:
        """Start a replica of a node; returns when it has what the node has, and all know it."""
        replica = self._node("cluster-replica").start()
        self._replicas.append(replica)
        self._meet(replica)
        name = self.command(master, "CLUSTER", "MYID")
        eventually(lambda: name in self.command(replica, "CLUSTER", "NODES"), timeout=30)
        self.command(replica, "CLUSTER", "REPLICATE", name)
        eventually(lambda: self.command(replica, "INFO", "replication").get("master_link_status") == "up", timeout=30)
        self.wait_until_whole()
        return replica

    def wait_until_whole(self) -> None:
        """Return when every node knows all others, and serves; from then on they are patient with each other."""
        eventually(lambda: all(map(self._is_whole, self.nodes)), timeout=60)
        self._take_for_dead_after(LONG_NODE_TIMEOUT)

    def notice_soon(self) -> None:
        """Have nodes that die noticed within seconds, until it is waited for all to be there again."""
        self._take_for_dead_after(NODE_TIMEOUT)

    def kill(self, node: Valkey) -> None:
        """Kill a node; returns when the others have noticed, and serve no more."""
        self.notice_soon()
        node.kill()
        others = [other for other in self.nodes if other.running]
        eventually(lambda: not any(map(self._is_whole, others)), timeout=60)

    def command(self, node: Valkey, *words: Any) -> Any:
        """What one node answers to a command."""
        with redis.Redis(port=node.port, socket_timeout=5) as client:
            return client.execute_command(*words)

    def end(self) -> None:
        """End every node, at once."""
        for node in (*self.nodes, *self._replicas):
            node.end()

    def _node(self, name: str) -> Valkey:
        return Valkey(name=name, config={"cluster-port": str(free_port()), **self._settings}, **self._options)

    def _take_for_dead_after(self, milliseconds: int) -> None:
        for node in (*self.nodes, *self._replicas):
            if node.running:
                self.command(node, "CONFIG", "SET", "cluster-node-timeout", milliseconds)

    def _meet(self, node: Valkey) -> None:
        port = int(node.argv[node.argv.index("--cluster-port") + 1])
        self.command(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port, port)

    def _is_whole(self, node: Valkey) -> bool:
        with redis.Redis(port=node.port, socket_timeout=5) as client:
            info = client.cluster("INFO")
        return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == len(self.nodes) + len(
            self._replicas
        )
