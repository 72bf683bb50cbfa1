using System.Collections.Immutable;

namespace EcomStream.Cql.Protocol;

/// <summary>
/// A request whose body is encoded already, so that it can go to another node as it is. It may be under way on two
/// nodes at once; nothing of it changes after it was made.
/// </summary>
/// <param name="Opcode">What it is.</param>
/// <param name="Body">Its body, for the version that the cluster speaks.</param>
/// <param name="Operation">What it does, for errors: "read 20 orders", "PREPARE ...".</param>
internal sealed record CqlRequest(Opcode Opcode, ReadOnlyMemory<byte> Body, string Operation)
{
    /// <summary>How many rows it writes; 0 when it writes none.</summary>
    public int Rows { get; init; }

    /// <summary>What it does, for errors.</summary>
    public string Name => Rows > 0 ? $"{Operation} ({Rows} rows)" : Operation;

    /// <summary>Whether the server is to trace it; the answer carries the tracing id.</summary>
    public bool Tracing { get; init; }

    /// <summary>The statements that it uses, so that a node that forgot one can be told again.</summary>
    public ImmutableArray<PreparedStatement> Prepared { get; init; } = [];
}

/// <summary>The answer to a request, its flags' parts taken off the body.</summary>
/// <param name="Opcode">What it is.</param>
/// <param name="Body">The body; empty for a Void result.</param>
/// <param name="Warnings">What the server warns of; empty in the ordinary case.</param>
/// <param name="TracingId">Id of the trace in system_traces, where it was asked for.</param>
internal sealed record CqlResponse(Opcode Opcode, byte[] Body, IReadOnlyList<string> Warnings, Guid? TracingId)
{
    /// <summary>What most writes get.</summary>
    public static CqlResponse Void { get; } = new(Opcode.Result, [0, 0, 0, (byte)ResultKind.Void], [], null);
}
