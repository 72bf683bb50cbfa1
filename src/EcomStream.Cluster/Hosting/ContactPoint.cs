using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.Http.Dsl;
using Akka.Management.Cluster.Bootstrap;
using Akka.Management.Dsl;
using Ceen.Httpd;

namespace EcomStream.Cluster;

/// <summary>
/// The HTTP endpoint at which the other nodes ask this one during discovery, with the routes of Akka.Management. It is served
/// here because the server of Akka.Management does not start with Ceen.Httpd 0.9.10: a method that it calls has another
/// signature there.
/// </summary>
internal static class ContactPoint
{
    /// <summary>Listens until the actor system has ended.</summary>
    /// <param name="system">The actor system.</param>
    /// <param name="host">The address or name to listen on.</param>
    /// <param name="port">The port.</param>
    /// <param name="self">The URI by which other nodes reach it.</param>
    /// <exception cref="ConfigurationException">The address cannot be listened on.</exception>
    public static void Serve(ActorSystem system, string host, int port, Uri self)
    {
        var routes = new ServerConfig();
        foreach (var (path, module) in ClusterBootstrap.Get(system).Routes(ManagementRouteProviderSettings.Create(self, readOnly: true)))
        {
            routes.AddRoute(path, context => module.HandleAsync(new AkkaHttpContext(system, context)));
        }

        var ended = new CancellationTokenSource();
        _ = system.WhenTerminated.ContinueWith(_ => ended.Cancel(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        Task listening;
        try
        {
            var bind = new IPEndPoint(IPAddress.TryParse(host, out var address) ? address : Dns.GetHostAddresses(host)[0], port);
            listening = HttpServer.ListenAsync(bind, usessl: false, routes, ended.Token);
        }
        catch (SocketException refused)
        {
            throw CannotListen($"{host}:{port}", refused);
        }

        if (listening.IsFaulted)
        {
            throw CannotListen($"{host}:{port}", listening.Exception!.GetBaseException());
        }

        _ = listening.ContinueWith(
            failed => Logging.GetLogger(system, typeof(ContactPoint)).Error(failed.Exception!.GetBaseException(), "The endpoint for discovery on {0} has ended; nodes that start now do not find this one", $"{host}:{port}"),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted,
            TaskScheduler.Default);
    }

    private static ConfigurationException CannotListen(string bind, Exception why) => new(
        $"ecomstream.cluster.management-port: this node cannot listen on {bind}, where the other nodes ask it during discovery: {why.Message}", why);
}
