using Akka.Actor;
using Akka.Configuration;
using Akka.Hosting;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Actors.Tests;

/// <summary>A pipeline that fails says so once, stops its sources and gives its messages back.</summary>
public sealed class PipelineLifecycleTests
{
    [Fact]
    public async Task A_host_whose_pipeline_fails_logs_the_reason_and_stops()
    {
        var logs = new List<string>();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.AddProvider(new ListLoggerProvider(logs));
        builder.Services.AddAkka("host", akka => akka
            .AddHocon("akka.loglevel = OFF", HoconAddMode.Prepend)
            .AddEcomStream(Ports(new InMemoryFactStore
            {
                BeforeCall = _ => Task.FromException(new StoreRejectedException("the table is not ours")),
            })));
        using var host = builder.Build();
        await host.StartAsync();
        await host.WaitForShutdownAsync().WaitAsync(TimeSpan.FromSeconds(20));
        lock (logs)
        {
            logs.ShouldContain(line => line.Contains("the table is not ours"));
        }
    }

    [Fact]
    public void A_failure_that_a_user_can_mend_is_logged_without_a_stack_trace()
    {
        PipelineFailures.Trace(new StoreRejectedException("the table is not ours")).ShouldBeNull();
        PipelineFailures.Trace(new SubscriptionTakenException("orders", "another process")).ShouldBeNull();
        var fault = new InvalidOperationException("a fault of the program");
        PipelineFailures.Trace(fault).ShouldBe(fault);
    }

    [Fact]
    public async Task A_shard_that_stops_before_it_processes_ParkAll_logs_no_dead_letter()
    {
        using var system = ActorSystem.Create("drained", ConfigurationFactory.ParseString("akka.loglevel = OFF"));
        var pipeline = EcomStreamPipeline.Start(system, Ports(new InMemoryFactStore()));
        await pipeline.Started;
        await pipeline.DrainAsync().WaitAsync(TimeSpan.FromSeconds(10));
        using var undelivered = Inbox.Create(system);
        system.EventStream.Subscribe(undelivered.Receiver, typeof(Akka.Event.DeadLetter));
        system.EventStream.Subscribe(undelivered.Receiver, typeof(Akka.Event.SuppressedDeadLetter));

        _ = pipeline.Shards.FlushAsync(new CancellationToken(canceled: true));
        undelivered.ReceiveWhere(message => message is Akka.Event.AllDeadLetters { Message: ParkAll }, TimeSpan.FromSeconds(10)).ShouldBeOfType<Akka.Event.SuppressedDeadLetter>();
    }

    [Fact]
    public async Task Settings_that_are_added_after_the_pipeline_are_used()
    {
        var started = new TaskCompletionSource<EcomStreamPipeline>();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddAkka("host", akka => akka
            .AddEcomStream(Ports(new InMemoryFactStore()), started.SetResult)
            .AddHocon("akka.loglevel = OFF, ecomstream.unmatched.grace = 7s", HoconAddMode.Append));
        using var host = builder.Build();
        await host.StartAsync();
        (await started.Task).Settings.Grace.ShouldBe(TimeSpan.FromSeconds(7));
        await host.StopAsync();
    }

    [Fact]
    public async Task An_invalid_dispatcher_fails_the_pipeline_once()
    {
        var inits = 0;
        var store = new InMemoryFactStore
        {
            BeforeCall = operation =>
            {
                _ = operation == StoreOperation.Initialize ? Interlocked.Increment(ref inits) : 0;
                return Task.CompletedTask;
            },
        };
        using var system = ActorSystem.Create("invalid", ConfigurationFactory.ParseString(
            "akka.loglevel = OFF, ecomstream.io-dispatcher.executor = no-such-executor"));
        var pipeline = EcomStreamPipeline.Start(system, Ports(store));
        await Should.ThrowAsync<Exception>(pipeline.Completion);
        await pipeline.DrainAsync().WaitAsync(TimeSpan.FromSeconds(10));
        inits.ShouldBe(1);
    }

    [Fact]
    public async Task A_pipeline_works_where_akka_verifies_that_messages_can_be_serialized()
    {
        await using var pipeline = PipelineFixture.Start("akka.actor.serialize-messages = on");
        pipeline.Orders.Publish(Shop.OrderData(1));
        pipeline.Payments.Publish([Shop.PaymentData(1), Shop.PaymentData(2)]);
        await Eventually.True(() => pipeline.Store.Facts.GetValueOrDefault(1)?.Payment is not null, "a pair is joined");
        await Eventually.True(() => pipeline.DeadLetters.Count == 1, "a payment without an order is dead-lettered");
    }

    [Fact]
    public async Task Two_pipelines_of_one_system_have_two_names()
    {
        using var system = ActorSystem.Create("two", ConfigurationFactory.ParseString("akka.loglevel = OFF"));
        var (first, second) = (Ports(new InMemoryFactStore()), Ports(new InMemoryFactStore()));
        await using var a = EcomStreamPipeline.Start(system, first, name: "a");
        await using var b = EcomStreamPipeline.Start(system, second, name: "b");
        Should.Throw<InvalidActorNameException>(() => EcomStreamPipeline.Start(system, Ports(new InMemoryFactStore()), name: "a"));
        await a.Started;
        await b.Started;
        await a.DrainAsync();
        await a.Completion;
        b.Completion.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task A_child_that_stops_fails_the_pipeline_and_its_messages_go_back()
    {
        using var system = ActorSystem.Create("child", ConfigurationFactory.ParseString("akka.loglevel = OFF"));
        var gate = new TaskCompletionSource();
        var ports = Ports(new InMemoryFactStore { BeforeCall = operation => operation == StoreOperation.Write ? gate.Task : Task.CompletedTask });
        var pipeline = EcomStreamPipeline.Start(system, ports);
        await pipeline.Started;
        var orders = (InMemorySubscription)ports.Orders;
        orders.Publish(Shop.OrderData(1));
        await Eventually.True(() => orders.Status.OutstandingMessages == 1, "it is in flight");
        system.Stop(await system.ActorSelection("/user/ecomstream/writer-0").ResolveOne(TimeSpan.FromSeconds(5)));
        await Should.ThrowAsync<InvalidOperationException>(pipeline.Completion.WaitAsync(TimeSpan.FromSeconds(10)));
        await pipeline.DrainAsync().WaitAsync(TimeSpan.FromSeconds(10));
        orders.Status.IsReading.ShouldBeFalse();
    }

    [Fact]
    public async Task A_drain_while_the_store_fails_ends_long_before_the_shutdown_timeout()
    {
        await using var pipeline = PipelineFixture.Start("ecomstream.shutdown-timeout = 60s");
        await pipeline.Pipeline.Started;
        pipeline.Store.BeforeCall = _ => Task.FromException(new StoreUnavailableException("down"));
        pipeline.Orders.Publish(Shop.OrderData(1));
        await Eventually.True(() => pipeline.Orders.Status.OutstandingMessages == 1, "it is in flight");
        await pipeline.Pipeline.DrainAsync().WaitAsync(TimeSpan.FromSeconds(20));
    }

    private static EcomStreamPorts Ports(IFactStore store) =>
        new(store, new InMemorySubscription("orders"), new InMemorySubscription("payments"), new InMemoryPublisher());

    private sealed class ListLoggerProvider(List<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (lines)
            {
                lines.Add(formatter(state, exception));
            }
        }

        public void Dispose()
        {
        }
    }
}
