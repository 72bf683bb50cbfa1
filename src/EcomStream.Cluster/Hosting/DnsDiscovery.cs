using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Discovery;

namespace EcomStream.Cluster;

/// <summary>
/// Discovery by DNS: every address of the service's name is a node, at the port of the settings. A name without addresses is a
/// service without nodes so far. Akka.Discovery has no such method of its own.
/// </summary>
public sealed class DnsDiscovery : ServiceDiscovery
{
    /// <summary>Makes it; Akka.Discovery calls this.</summary>
    /// <param name="system">The actor system.</param>
    public DnsDiscovery(ExtendedActorSystem system) => ArgumentNullException.ThrowIfNull(system);

    /// <inheritdoc/>
    public override async Task<Resolved> Lookup(Lookup lookup, TimeSpan resolveTimeout)
    {
        using var timeout = new CancellationTokenSource(resolveTimeout);
        IPAddress[] addresses;
        try
        {
            addresses = await Dns.GetHostAddressesAsync(lookup.ServiceName, timeout.Token);
        }
        catch (SocketException none) when (none.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData)
        {
            addresses = [];
        }

        return new Resolved(lookup.ServiceName, [.. addresses.Select(address => new ResolvedTarget(address.ToString(), null, address))]);
    }
}
