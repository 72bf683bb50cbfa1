using System.CommandLine;
using EcomStream.Web;
using Microsoft.Extensions.DependencyInjection;

namespace EcomStream.Host.Commands;

/// <summary>--http: where health, metrics and the dashboard are served.</summary>
internal sealed class HttpOption
{
    private readonly Option<string?> _address = new("--http")
    {
        Description = "Serve health, metrics and the dashboard on this address and port, such as 127.0.0.1:9090; ecomstream.http.address when left out",
        HelpName = "host:port",
    };

    public void AddTo(Command command) => command.Options.Add(_address);

    /// <summary>The address as given; null when it is not.</summary>
    public string? Address(ParseResult result) => result.GetValue(_address);

    /// <summary>How the endpoint runs; null for no endpoint.</summary>
    public HttpSettings? Read(ParseResult result, HostSettings settings) => HttpSettings.Read(Address(result), settings.Operations);

    /// <summary>What the endpoint adds to the host of a pipeline.</summary>
    public static Action<IServiceCollection> Services(HttpSettings? http, HostSettings settings) =>
        services => HttpService.Add(services, http, settings.Operations.TraceRatio);
}
