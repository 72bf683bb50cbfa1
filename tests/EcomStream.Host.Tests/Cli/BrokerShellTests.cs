using System.Text.Json;
using EcomStream.PubSub.Broker;

namespace EcomStream.Host.Tests.Cli;

/// <summary>A running broker from the shell.</summary>
public sealed class BrokerShellTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-shell-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Topics_and_subscriptions_are_listed_and_messages_published_peeked_pulled_and_acked()
    {
        var seed = Path.Combine(_folder.FullName, "seed.json");
        await File.WriteAllTextAsync(seed, """
            { "topics": [{ "name": "projects/shop/topics/orders" }],
              "subscriptions": [{ "name": "projects/shop/subscriptions/orders-sub", "topic": "projects/shop/topics/orders" },
                                { "name": "projects/shop/subscriptions/pushed", "topic": "projects/shop/topics/orders", "pushConfig": { "pushEndpoint": "http://127.0.0.1:9/" } }] }
            """);
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { InMemory = true, SeedFile = seed });
        (await RunAsync("topics")).Lines.ShouldBe(["projects/shop/topics/orders"]);
        (await RunAsync("subscriptions")).Lines.ShouldBe(
            ["projects/shop/subscriptions/orders-sub\tprojects/shop/topics/orders", "projects/shop/subscriptions/pushed\tprojects/shop/topics/orders\thttp://127.0.0.1:9/"]);

        var published = await RunAsync("publish", "orders", "hällo", "--attribute", "a=b=c", "--ordering-key", "k");
        published.Code.ShouldBe(0, published.Error);
        foreach (var command in (string[][])[["peek"], ["pull"], ["peek"], ["pull", "--ack"]])
        {
            var shown = await RunAsync([.. command, "orders-sub"]);
            var message = JsonDocument.Parse(shown.Lines.ShouldHaveSingleItem()).RootElement;
            message.GetProperty("message_id").GetString().ShouldBe(published.Lines.Single());
            message.GetProperty("data").GetString().ShouldBe("hällo");
            message.GetProperty("ordering_key").GetString().ShouldBe("k");
            message.GetProperty("attributes").GetProperty("a").GetString().ShouldBe("b=c");
        }

        (await RunAsync("peek", "projects/shop/subscriptions/orders-sub")).Out.ShouldBeEmpty();

        var missing = await RunAsync("peek", "none");
        (missing.Code, missing.Error).ShouldBe((4, $"ecomstream: Resource not found: the subscription projects/shop/subscriptions/none does not exist.{Environment.NewLine}"));
        var refused = await RunAsync("pull", "pushed");
        refused.Code.ShouldBe(1);
        refused.Error.ShouldContain("FailedPrecondition");
        (await RunAsync("publish", "orders", "x", "--attribute", "novalue")).Code.ShouldBe(2);

        Task<CommandLineRun> RunAsync(params string[] command) => CommandLineRun.In(
            new CommandLineRun.Place { Environment = new() { ["PUBSUB_EMULATOR_HOST"] = broker.Endpoint } },
            ["broker", .. command, "--project", "shop", "--data", _folder.FullName]);
    }

    [Fact]
    public async Task Damaged_messages_are_reported_and_repaired_in_the_folder_of_a_broker_that_does_not_run()
    {
        const string Topic = "projects/shop/topics/orders";
        var data = Path.Combine(_folder.FullName, "data");
        var seed = Path.Combine(_folder.FullName, "seed.json");
        await File.WriteAllTextAsync(seed, """{ "topics": [{ "name": "projects/shop/topics/orders" }] }""");
        var options = new EmbeddedBrokerOptions { DataDirectory = Path.Combine(data, "broker"), SeedFile = seed };
        await using (var broker = await EmbeddedBroker.StartAsync(options))
        {
            for (var message = 0; message < 3; message++)
            {
                broker.Publish(Topic, new BrokerMessage { Data = new byte[100] });
            }

            var inUse = await RunAsync("--dry-run");
            inUse.Code.ShouldBe(2, inUse.Out);
        }

        (await RunAsync("--dry-run")).Lines.ShouldBe(["no damage"]);
        var log = Directory.GetFiles(data, "*.log", SearchOption.AllDirectories).ShouldHaveSingleItem();
        var bytes = await File.ReadAllBytesAsync(log);
        bytes[bytes.Length / 2] ^= 0x10;
        await File.WriteAllBytesAsync(log, bytes);

        var check = await RunAsync("--dry-run");
        (check.Code, check.Lines.Length).ShouldBe((3, 2), check.Out + check.Error);
        check.Lines[0].ShouldStartWith($"{log} is damaged at byte ");
        check.Lines[0].ShouldEndWith("1 messages from offset 1 on");
        check.Lines[1].ShouldStartWith("would lose 1 messages");
        (await Should.ThrowAsync<BrokerStartException>(() => EmbeddedBroker.StartAsync(options))).Message.ShouldContain("ecomstream broker repair");

        (await RunAsync()).Lines[1].ShouldStartWith("lost 1 messages");
        (await RunAsync("--dry-run")).Lines.ShouldBe(["no damage"]);
        await using var again = await EmbeddedBroker.StartAsync(options);
        again.Publish(Topic, new BrokerMessage { Data = new byte[100] });
        (await CommandLineRun.Of("broker", "repair", "--data", Path.Combine(_folder.FullName, "none"))).Code.ShouldBe(2);

        Task<CommandLineRun> RunAsync(params string[] more) => CommandLineRun.Of(["broker", "repair", "--data", data, .. more]);
    }

    [Fact]
    public async Task A_broker_that_does_not_run_is_named()
    {
        var run = await CommandLineRun.In(
            new CommandLineRun.Place { Environment = new() { ["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:9" } }, "broker", "topics", "--data", _folder.FullName);
        run.Code.ShouldBe(1);
        run.Error.ShouldContain("The broker at 127.0.0.1:9 is unavailable");
    }

    [Fact]
    public async Task A_broker_in_memory_with_a_seed_leaves_no_file()
    {
        var data = Path.Combine(_folder.FullName, "data");
        var seed = Path.Combine(_folder.FullName, "seed.json");
        await File.WriteAllTextAsync(seed, """{ "topics": [{ "name": "projects/shop/topics/orders" }] }""");
        using var stop = new CancellationTokenSource();
        var output = new WaitingWriter();
        var run = CommandLineRun.In(
            new CommandLineRun.Place { Stop = stop.Token, Output = output, Environment = new() { ["ECOMSTREAM__BROKER__PORT"] = "0" } },
            "broker", "--in-memory", "--seed", seed, "--admin-api", "--data", data, "--log-level", "warning");
        var endpoint = (await output.FirstLine.WaitAsync(TimeSpan.FromSeconds(60))).Replace("export PUBSUB_EMULATOR_HOST=", "");
        using (var http = new HttpClient())
        {
            (await http.GetStringAsync($"http://{endpoint}/v1/projects/shop/topics")).ShouldContain("projects/shop/topics/orders");
            (await http.GetStringAsync($"http://{endpoint}/admin/v1/faults")).ShouldContain("faults");
        }

        await stop.CancelAsync();
        (await run).Code.ShouldBe(0);
        Directory.Exists(data).ShouldBeFalse();
    }
}
