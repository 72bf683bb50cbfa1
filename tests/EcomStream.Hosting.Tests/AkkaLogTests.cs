using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using EcomStream.TestSupport;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting.Tests;

public sealed class AkkaLogTests
{
    [Fact]
    public async Task The_placeholders_of_an_actors_log_line_stay_structured_properties()
    {
        using var lines = new Lines();
        using var loggers = LoggerFactory.Create(logging => logging.AddProvider(lines));
        var setup = BootstrapSetup.Create().WithConfig(ConfigurationFactory.ParseString("akka { loggers = [\"EcomStream.Hosting.AkkaLog, EcomStream.Hosting\"], loglevel = INFO }"))
            .And(new AkkaLogSetup(loggers));
        using var system = ActorSystem.Create("log", setup);
        Akka.Event.Logging.GetLogger(system, "EcomStream.Test").Warning("The store is unavailable (attempt {Attempt}): {Error}", 3, "a lock");
        await Eventually.True(() => lines.All.Any(line => line.Text == "The store is unavailable (attempt 3): a lock"), "the line is logged");
        var properties = lines.All.First(line => line.Text.StartsWith("The store", StringComparison.Ordinal)).Properties;
        properties["Attempt"].ShouldBe(3);
        properties["Error"].ShouldBe("a lock");
        lines.Categories.ShouldContain("EcomStream.Test");
        Akka.Event.Logging.GetLogger(system, "akka://log/user/some-actor").Warning("under a path");
        await Eventually.True(() => lines.All.Any(line => line.Text == "under a path"), "the line is logged");
        lines.Categories.ShouldNotContain(category => category.Contains("Dummy") || category.Contains('/'));
        properties["{OriginalFormat}"].ShouldBe("The store is unavailable (attempt {Attempt}): {Error}");
    }

    private sealed class Lines : ILoggerProvider, ILogger
    {
        private readonly List<(string Text, Dictionary<string, object?> Properties)> _lines = [];

        public IReadOnlyList<(string Text, Dictionary<string, object?> Properties)> All
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        public ConcurrentBag<string> Categories { get; } = [];

        public ILogger CreateLogger(string categoryName)
        {
            Categories.Add(categoryName);
            return this;
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(
            Microsoft.Extensions.Logging.LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines)
            {
                _lines.Add((formatter(state, exception), ((IReadOnlyList<KeyValuePair<string, object?>>)state!).ToDictionary(pair => pair.Key, pair => pair.Value)));
            }
        }

        public void Dispose()
        {
        }
    }
}
