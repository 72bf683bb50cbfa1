using System.Net;
using EcomStream.Cql.Protocol;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cql.Cluster;

/// <summary>What all nodes of a cluster share.</summary>
internal sealed class ClusterContext(CqlSettings settings, TlsHandshake? tls, ILogger logger, TimeProvider time)
{
    private readonly Dictionary<IPEndPoint, string> _hosts = [];

    public CqlSettings Settings => settings;

    public TlsHandshake? Tls => tls;

    public ILogger Logger => logger;

    public TimeProvider Time => time;

    /// <summary>The protocol version agreed on with the first node; 0 before.</summary>
    public byte Version { get; set; } = settings.ProtocolVersion;

    /// <summary>Called when a node may have lost what it confirmed lately: it is disconnected, down, removed or re-addressed.</summary>
    public Action<CqlNode> NodeLost { get; set; } = _ => { };

    /// <summary>The name by which a node was given as a contact point, for its certificate; its address for the others.</summary>
    public string HostOf(IPEndPoint endpoint)
    {
        lock (_hosts)
        {
            return _hosts.GetValueOrDefault(endpoint) ?? endpoint.Address.ToString();
        }
    }

    /// <summary>Whether a node was given as a contact point.</summary>
    public bool HasName(IPEndPoint endpoint)
    {
        lock (_hosts)
        {
            return _hosts.ContainsKey(endpoint);
        }
    }

    public void Name(IPEndPoint endpoint, string host)
    {
        lock (_hosts)
        {
            _hosts[endpoint] = host;
        }
    }
}
