namespace EcomStream.Cassandra.Protocol;

/// <summary>A request under way on a connection; its task completes with the answer.</summary>
/// <param name="deadline">When it is given up, in the ticks of the connection's clock.</param>
/// <param name="name">What it does, for errors.</param>
internal sealed class PendingRequest(long deadline, string name)
    : TaskCompletionSource<CqlResponse>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public long Deadline => deadline;

    public string Name => name;

    /// <summary>Nobody waits for the answer any more.</summary>
    public bool IsAbandoned { get; set; }

    /// <summary>Completes it with an answer (native_protocol_v5.spec, section 4: tracing id, warnings, payload, message).</summary>
    public void Complete(EnvelopeHeader header, ReadOnlySpan<byte> body, string node)
    {
        if (header is { Opcode: Opcode.Result, Flags: EnvelopeFlags.None or EnvelopeFlags.Compressed } && body.SequenceEqual(CqlResponse.Void.Body))
        {
            TrySetResult(CqlResponse.Void);
            return;
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

        if (header.Opcode == Opcode.Error)
        {
            TrySetException(ErrorDecoder.Decode(reader.Rest, header.Version, node));
        }
        else
        {
            TrySetResult(new CqlResponse(header.Opcode, reader.Rest.ToArray(), warnings, tracingId));
        }
    }
}
