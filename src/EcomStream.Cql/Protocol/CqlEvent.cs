using System.Net;

namespace EcomStream.Cql.Protocol;

/// <summary>What a server pushes to whoever registered (native_protocol_v5.spec, section 4.2.6).</summary>
internal abstract record CqlEvent
{
    public const string TopologyChange = "TOPOLOGY_CHANGE";
    public const string StatusChange = "STATUS_CHANGE";
    public const string SchemaChange = "SCHEMA_CHANGE";

    /// <summary>Reads the body of an EVENT; null for a type that is not known.</summary>
    public static CqlEvent? Read(ReadOnlySpan<byte> body)
    {
        var reader = new ByteReader(body);
        return reader.String() switch
        {
            TopologyChange => new CqlTopologyChange(reader.String(), reader.Inet()),
            StatusChange => new CqlStatusChange(reader.String() == "UP", reader.Inet()),
            SchemaChange => new CqlSchemaChange(reader.String(), reader.String(), reader.String()),
            _ => null,
        };
    }
}

/// <summary>A node was added, removed or moved.</summary>
internal sealed record CqlTopologyChange(string Change, IPEndPoint Node) : CqlEvent;

/// <summary>A node went up or down, as its peers see it.</summary>
internal sealed record CqlStatusChange(bool IsUp, IPEndPoint Node) : CqlEvent;

/// <summary>Something in the schema of a keyspace was created, updated or dropped.</summary>
internal sealed record CqlSchemaChange(string Change, string Target, string Keyspace) : CqlEvent;
