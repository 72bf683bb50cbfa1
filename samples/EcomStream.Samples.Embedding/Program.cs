using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// Without further settings: the embedded broker and a SQLite file in data-dir. hocon/ecomstream.conf has every key.
var settings = ConfigurationFactory.ParseString(
    $$"""
    ecomstream.data-dir = "{{args[0]}}"
    ecomstream.broker.port = 0
    ecomstream.unmatched.grace = 5s
    """);
var builder = Host.CreateApplicationBuilder();
builder.Services.AddEcomStream(settings);
using var host = builder.Build();
await host.StartAsync();
var pipeline = host.Services.GetRequiredService<EcomStreamPipeline>();
await pipeline.Started;
Console.WriteLine("Orders and payments are being joined; Ctrl-C drains the pipeline and ends.");
await host.WaitForShutdownAsync();
await pipeline.Completion;
