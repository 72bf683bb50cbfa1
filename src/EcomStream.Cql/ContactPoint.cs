using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace EcomStream.Cql;

/// <summary>A node to begin with, as a user writes it.</summary>
/// <param name="Host">Its name or address.</param>
/// <param name="Port">The port of the native protocol.</param>
public sealed record ContactPoint(string Host, int Port)
{
    private const int DefaultPort = 9042;

    /// <summary>Reads "host", "host:port", "address" or "[address]:port".</summary>
    /// <exception cref="CqlConfigurationException">It is none of these.</exception>
    public static ContactPoint Parse(string text)
    {
        // Without brackets, an IPv6 address has colons but no port.
        if (IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6 && !text.Contains(']', StringComparison.Ordinal))
        {
            return new ContactPoint(text, DefaultPort);
        }

        var colon = text.LastIndexOf(':');
        var (host, port) = colon > text.LastIndexOf(']') ? (text[..colon], text[(colon + 1)..]) : (text, "");
        host = host.TrimStart('[').TrimEnd(']').Trim();
        if (host.Length == 0)
        {
            throw new CqlConfigurationException($"'{text}' is not a contact point: it must be host or host:port.");
        }

        if (port.Length == 0)
        {
            return new ContactPoint(host, DefaultPort);
        }

        return int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 65_535
            ? new ContactPoint(host, number)
            : throw new CqlConfigurationException($"'{text}' is not a contact point: '{port}' is not a port.");
    }

    /// <summary>All its addresses.</summary>
    /// <exception cref="CqlConnectionException">The name is not known.</exception>
    internal async Task<IReadOnlyList<IPEndPoint>> ResolveAsync(CancellationToken cancellationToken)
    {
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(Host, cancellationToken);
            return [.. addresses.OrderBy(a => a.AddressFamily != AddressFamily.InterNetwork).Select(a => new IPEndPoint(a, Port))];
        }
        catch (SocketException unknown)
        {
            throw new CqlConnectionException($"The contact point {Host}:{Port} has no address ({unknown.SocketErrorCode}).", unknown);
        }
    }
}
