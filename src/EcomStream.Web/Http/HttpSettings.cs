using System.Net;
using Akka.Configuration;
using EcomStream.Hosting;

namespace EcomStream.Web;

/// <summary>How the HTTP endpoint runs.</summary>
/// <param name="Address">The address it listens on.</param>
/// <param name="Port">The port; 0 for any that is free.</param>
/// <param name="Actions">Whether the dashboard may replay and discard dead letters.</param>
/// <param name="Token">What clients must present; empty for none.</param>
internal sealed record HttpSettings(IPAddress Address, int Port, bool Actions, string Token)
{
    /// <summary>Whether only programs of this machine can connect.</summary>
    public bool IsLoopback => IPAddress.IsLoopback(Address);

    /// <summary>Reads the settings; null when there is to be no endpoint.</summary>
    /// <param name="address">host:port; overrides <c>ecomstream.http.address</c>.</param>
    /// <param name="settings">The settings of the process.</param>
    /// <exception cref="ConfigurationException">The address is wrong, or it is not a loopback address and there is no token.</exception>
    public static HttpSettings? Read(string? address, OperationsSettings settings)
    {
        var text = address ?? settings.HttpAddress;
        if (text.Length == 0)
        {
            return null;
        }

        var endpoint = OperationsSettings.ListenAddress(text, settings.HttpToken);
        return new HttpSettings(endpoint.Address, endpoint.Port, settings.HttpActions, settings.HttpToken);
    }
}
