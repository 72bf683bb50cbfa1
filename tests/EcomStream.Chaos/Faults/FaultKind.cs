namespace EcomStream.Chaos.Faults;

/// <summary>What goes wrong in a round.</summary>
internal enum FaultKind
{
    /// <summary>kill -9 of the host.</summary>
    KillHost,

    /// <summary>kill -9 of the broker.</summary>
    KillBroker,

    /// <summary>kill -9 of both at the same time.</summary>
    KillBoth,

    /// <summary>kill -9 of the store's server, by the control program.</summary>
    KillStore,

    /// <summary>SIGTERM of the host: exit code 0.</summary>
    TerminateHost,

    /// <summary>SIGTERM of the broker: exit code 0.</summary>
    TerminateBroker,

    /// <summary>SIGSTOP of the host, and SIGCONT.</summary>
    PauseHost,

    /// <summary>SIGSTOP of the broker, and SIGCONT.</summary>
    PauseBroker,

    /// <summary>All connections of the host to the broker are closed.</summary>
    CutConnections,

    /// <summary>Nothing passes between host and broker for a while; connections stay open.</summary>
    StallConnections,

    /// <summary>Each piece that passes between host and broker is held up.</summary>
    SlowConnections,

    /// <summary>Connections that exist carry nothing any more; new ones work.</summary>
    HalfOpenConnections,

    /// <summary>kill -9 of any node of a cluster.</summary>
    KillNode,

    /// <summary>kill -9 of the oldest node, which runs the coordinator of the shards.</summary>
    KillCoordinator,

    /// <summary>SIGSTOP of a node, and SIGCONT.</summary>
    PauseNode,

    /// <summary>Nothing passes between a node and the other nodes for a while; all of them reach broker and store.</summary>
    DivideNetwork,

    /// <summary>SIGTERM and a new start of every node, one after another.</summary>
    RestartNodes,

    /// <summary>All nodes but one end by SIGTERM, all start again, one ends, and starts again.</summary>
    ScaleNodes,
}
