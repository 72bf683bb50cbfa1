namespace EcomStream.Cql.Protocol;

/// <summary>
/// A request under way on a connection, which tells it how it ended: once, and on whichever thread ends it, mostly the
/// connection's own loop. So it neither waits nor throws when it is told.
/// </summary>
/// <param name="request">The request.</param>
internal abstract class PendingRequest(CqlRequest request)
{
    /// <summary>The request.</summary>
    public CqlRequest Request => request;

    /// <summary>How long the answer may take; null for as long as the settings say.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>When it is given up, in the ticks of the connection's clock; 0 until the connection sets it.</summary>
    public long Deadline { get; set; }

    /// <summary>When it was handed to the connection, in the ticks of the connection's clock.</summary>
    public long Began { get; set; }

    /// <summary>Whether it was told that its node is silent.</summary>
    public bool IsToldOfSilence { get; set; }

    /// <summary>It was given up: nobody waits for the answer any more.</summary>
    public bool IsAbandoned { get; set; }

    /// <summary>The node has sent nothing for a while, this answer included.</summary>
    public virtual void NodeIsSilent()
    {
    }

    /// <summary>The answer has come.</summary>
    public abstract void Answered(CqlResponse answer);

    /// <summary>The server's error, a timeout, or the loss of the connection.</summary>
    public abstract void Failed(CqlException error);

    /// <summary>Ends it with an answer (native_protocol_v5.spec, section 4: tracing id, warnings, payload, message).</summary>
    public void Complete(EnvelopeHeader header, ReadOnlySpan<byte> body, string node)
    {
        CqlResponse? answer = null;
        CqlException? error = null;
        try
        {
            (answer, error) = Decode(header, body, node);
        }
        catch (Exception malformed)
        {
            error = malformed as CqlException
                ?? new CqlProtocolException($"An answer of {node} to {request.Name} cannot be read: {malformed.Message}");
        }

        if (error is not null)
        {
            Failed(error);
        }
        else
        {
            Answered(answer!);
        }
    }

    private static (CqlResponse? Answer, CqlException? Error) Decode(EnvelopeHeader header, ReadOnlySpan<byte> body, string node)
    {
        if (header is { Opcode: Opcode.Result, Flags: EnvelopeFlags.None or EnvelopeFlags.Compressed } && body.SequenceEqual(CqlResponse.Void.Body))
        {
            return (CqlResponse.Void, null);
        }

        var reader = new ByteReader(body);
        Guid? tracingId = header.Flags.HasFlag(EnvelopeFlags.Tracing) ? reader.Uuid() : null;
        var warnings = header.Flags.HasFlag(EnvelopeFlags.Warning) ? reader.StringList() : [];
        if (header.Flags.HasFlag(EnvelopeFlags.CustomPayload))
        {
            for (var left = reader.Short(); left > 0; left--)
            {
                _ = reader.String();
                _ = reader.Bytes(out _);
            }
        }

        return header.Opcode == Opcode.Error
            ? (null, ErrorDecoder.Decode(reader.Rest, header.Version, node))
            : (new CqlResponse(header.Opcode, reader.Rest.ToArray(), warnings, tracingId), null);
    }
}

/// <summary>A request that one caller waits for.</summary>
internal sealed class AwaitedRequest(CqlRequest request) : PendingRequest(request)
{
    private readonly TaskCompletionSource<CqlResponse> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the answer.</summary>
    public Task<CqlResponse> Answer => _answer.Task;

    public override void Answered(CqlResponse answer) => _answer.SetResult(answer);

    public override void Failed(CqlException error) => _answer.SetException(error);
}
