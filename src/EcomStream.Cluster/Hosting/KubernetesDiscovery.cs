using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Akka.Actor;
using Akka.Discovery;

namespace EcomStream.Cluster;

/// <summary>
/// Discovery by the API server of Kubernetes: the running pods of this pod's namespace with the label app = the service's name.
/// A node is asked at its container port "management", or at the port of the settings where none has that name. The service
/// account needs the verb list on pods.
/// </summary>
/// <remarks>
/// Akka.Discovery.KubernetesApi 1.5.73 does the same with KubernetesClient 17, which not every feed has, and does not run with
/// later versions. API: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#list-list-or-watch-objects-of-kind-pod
/// and https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/.
/// </remarks>
public sealed class KubernetesDiscovery : ServiceDiscovery
{
    private const string Section = "akka.discovery.ecomstream-kubernetes";
    private const string PortName = "management";

    private readonly string _account;
    private readonly string _server;

    /// <summary>Makes it; Akka.Discovery calls this.</summary>
    /// <param name="system">The actor system.</param>
    public KubernetesDiscovery(ExtendedActorSystem system)
    {
        ArgumentNullException.ThrowIfNull(system);
        var config = system.Settings.Config.GetConfig(Section);
        _account = config.GetString("service-account");
        _server = config.GetString("api-server") is { Length: > 0 } server ? server : FromEnvironment();
    }

    /// <inheritdoc/>
    public override async Task<Resolved> Lookup(Lookup lookup, TimeSpan resolveTimeout)
    {
        // The token and the authority are replaced by Kubernetes from time to time.
        var authorities = new PrivateAuthorities(Path.Combine(_account, "ca.crt"));
        var space = (await File.ReadAllTextAsync(Path.Combine(_account, "namespace"))).Trim();
        using var http = new HttpClient(new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, errors) => authorities.Trust(certificate as X509Certificate2, errors, verifyHost: true),
            },
        })
        {
            Timeout = resolveTimeout,
        };
        http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(Path.Combine(_account, "token"))).Trim());
        using var response = await http.GetAsync(
            $"{_server}/api/v1/namespaces/{space}/pods?labelSelector={Uri.EscapeDataString($"app={lookup.ServiceName}")}");
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException(
                $"The API server {_server} answers {(int)response.StatusCode} to the request for the pods of {space}."
                + (response.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized ? " The service account needs a role with the verb list on pods." : ""));
        }

        await using var body = await response.Content.ReadAsStreamAsync();
        using var pods = await JsonDocument.ParseAsync(body);
        return new Resolved(lookup.ServiceName, [.. pods.RootElement.GetProperty("items").EnumerateArray().Select(Target).OfType<ResolvedTarget>()]);
    }

    // A pod that is being deleted is still "Running".
    private static ResolvedTarget? Target(JsonElement pod)
    {
        if (!pod.TryGetProperty("status", out var status) || Text(status, "phase") != "Running" || Text(status, "podIP") is not { Length: > 0 } address
            || Text(pod.GetProperty("metadata"), "deletionTimestamp") is not null)
        {
            return null;
        }

        int? port = pod.GetProperty("spec").GetProperty("containers").EnumerateArray()
            .SelectMany(container => container.TryGetProperty("ports", out var ports) ? ports.EnumerateArray() : Enumerable.Empty<JsonElement>())
            .Where(open => Text(open, "name") == PortName)
            .Select(open => open.GetProperty("containerPort").GetInt32())
            .FirstOrDefault();
        return new ResolvedTarget(address, port > 0 ? port : null, IPAddress.Parse(address));
    }

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static string FromEnvironment()
    {
        var (host, port) = (Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST"), Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_PORT"));
        return string.IsNullOrEmpty(host) || string.IsNullOrEmpty(port)
            ? throw new InvalidOperationException("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this process does not run in a pod of Kubernetes")
            : $"https://{(host.Contains(':') ? $"[{host}]" : host)}:{port}";
    }
}
