using Akka.Configuration;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Tests;

public sealed class PubSubSettingsTests
{
    [Fact]
    public void The_defaults_are_those_of_the_reference()
    {
        var settings = Read("");

        settings.ProjectId.ShouldBe("ecomstream");
        settings.EmulatorHost.ShouldBeEmpty();
        settings.Subscriber.AckDeadline.ShouldBe(TimeSpan.FromSeconds(60));
        settings.Subscriber.MaxExtension.ShouldBe(TimeSpan.FromMinutes(60));
        settings.Subscriber.MaxOutstandingBytes.ShouldBe(64 << 20);
        settings.Subscriber.AckLinger.ShouldBe(TimeSpan.FromMilliseconds(10));
        settings.Publisher.BatchMessages.ShouldBe(1_000);
        settings.Connection.WindowSize.ShouldBe(8 << 20);
    }

    [Fact]
    public void The_reference_can_be_read_as_it_is() =>
        PubSubSettings.Read(PubSubSettings.Reference, "127.0.0.1:8085").EmulatorHost.ShouldBe("127.0.0.1:8085");

    [Fact]
    public void The_environment_goes_before_the_file()
    {
        var config = ConfigurationFactory.ParseString("""ecomstream.pubsub.emulator-host = "localhost:1" """);

        PubSubSettings.Read(config, "localhost:2").EmulatorHost.ShouldBe("localhost:2");
        PubSubSettings.Read(config, "").EmulatorHost.ShouldBe("localhost:1");
        PubSubSettings.Read(config).EmulatorHost.ShouldBe("localhost:1");
    }

    [Theory]
    [InlineData("", "", "", "ecomstream", "the default of ecomstream.pubsub.project-id")]
    [InlineData("", "", "cloud", "cloud", "GOOGLE_CLOUD_PROJECT")]
    [InlineData("", "pubsub", "cloud", "pubsub", "PUBSUB_PROJECT_ID")]
    [InlineData("ecomstream.pubsub.project-id = shop", "pubsub", "cloud", "shop", "ecomstream.pubsub.project-id")]
    public void The_environment_names_the_project_where_the_configuration_does_not(string hocon, string pubsub, string cloud, string project, string source)
    {
        var environment = new Dictionary<string, string> { ["PUBSUB_PROJECT_ID"] = pubsub, ["GOOGLE_CLOUD_PROJECT"] = cloud };

        var settings = PubSubSettings.Read(ConfigurationFactory.ParseString(hocon), environment: environment);

        (settings.ProjectId, settings.ProjectSource).ShouldBe((project, source));
    }

    [Fact]
    public void A_connection_logs_once_which_project_it_uses_and_where_that_was_set()
    {
        var log = new LogLines();
        var settings = PubSubSettings.Read(Config.Empty, "localhost:1", new Dictionary<string, string> { ["GOOGLE_CLOUD_PROJECT"] = "shop" });

        using var connection = PubSubConnection.Create(settings, LoggerFactory.Create(logging => logging.AddProvider(log)));

        log.Lines.ShouldBe(["Pub/Sub at localhost:1, project shop (from GOOGLE_CLOUD_PROJECT)"]);
    }

    [Fact]
    public void Short_names_are_in_the_project_and_full_names_stay()
    {
        var settings = Read("ecomstream.pubsub.project-id = shop");

        settings.TopicName("orders_data").ShouldBe("projects/shop/topics/orders_data");
        settings.SubscriptionName("orders_data-sub").ShouldBe("projects/shop/subscriptions/orders_data-sub");
        settings.TopicName("projects/other/topics/t").ShouldBe("projects/other/topics/t");
    }

    [Theory]
    [InlineData("ecomstream.pubsub.subscriber.stream = 2", "ecomstream.pubsub.subscriber.stream", "streams")]
    [InlineData("ecomstream.pubsub.subscribers.streams = 2", "ecomstream.pubsub.subscribers", "subscriber")]
    [InlineData("ecomstream.pubsub.subscriber = 2", "ecomstream.pubsub.subscriber", "section")]
    [InlineData("ecomstream.pubsub.project-id = \"\"", "ecomstream.pubsub.project-id", "empty")]
    [InlineData("ecomstream.pubsub.subscriber.streams = 0", "ecomstream.pubsub.subscriber.streams = 0", "1 to 64")]
    [InlineData("ecomstream.pubsub.subscriber.streams = many", "ecomstream.pubsub.subscriber.streams = many", "whole number")]
    [InlineData("ecomstream.pubsub.subscriber.ack-deadline = 5s", "ecomstream.pubsub.subscriber.ack-deadline = 5s", "10s to 600s")]
    [InlineData("ecomstream.pubsub.subscriber.ack-deadline = 300s", "ecomstream.pubsub.subscriber.max-ack-deadline = 180s", "300s to 600s")]
    [InlineData("ecomstream.pubsub.endpoint = \"https://pubsub.googleapis.com\"", "ecomstream.pubsub.endpoint", "pubsub.googleapis.com:443")]
    [InlineData("ecomstream.pubsub.subscriber.max-extension = 1s", "ecomstream.pubsub.subscriber.max-extension = 1s", "60s")]
    [InlineData("ecomstream.pubsub.subscriber.max-outstanding-bytes = lots", "max-outstanding-bytes = lots", "64MiB")]
    [InlineData("ecomstream.pubsub.publisher.batch-messages = 1001", "ecomstream.pubsub.publisher.batch-messages = 1001", "1 to 1000")]
    [InlineData("ecomstream.pubsub.publisher.batch-bytes = 11MB", "ecomstream.pubsub.publisher.batch-bytes = 11MB", "10000000 bytes")]
    [InlineData("ecomstream.pubsub.retry { min-backoff = 10s, max-backoff = 1s }", "ecomstream.pubsub.retry.max-backoff = 1s", "10s")]
    [InlineData("ecomstream.pubsub.emulator-host = \"no port\"", "ecomstream.pubsub.emulator-host", "host:port")]
    [InlineData("ecomstream.pubsub.emulator-host = \"http://localhost:8085\"", "ecomstream.pubsub.emulator-host", "host:port")]
    [InlineData("ecomstream.pubsub.emulator-host = \"localhost\"", "ecomstream.pubsub.emulator-host", "host:port")]
    public void A_wrong_setting_is_named_with_what_it_must_be(string hocon, string names, string says)
    {
        var error = Should.Throw<ConfigurationException>(() => Read(hocon));

        error.Message.ShouldContain(names);
        error.Message.ShouldContain(says);
    }

    [Fact]
    public void A_wrong_emulator_variable_is_named()
    {
        Should.Throw<ConfigurationException>(() => PubSubSettings.Read(Config.Empty, "nowhere"))
            .Message.ShouldContain(PubSubSettings.EmulatorVariable);
    }

    [Fact]
    public void Without_an_emulator_host_there_is_one_clear_error()
    {
        Should.Throw<ConfigurationException>(() => PubSubConnection.Create(Read("")))
            .Message.ShouldContain("ecomstream.pubsub.emulator-host");
    }

    [Fact]
    public void Backoff_doubles_up_to_its_bound_within_a_fifth()
    {
        var retry = new RetrySettings(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10));
        int[] wanted = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];

        for (var failures = 1; failures <= wanted.Length; failures++)
        {
            retry.After(failures).TotalMilliseconds.ShouldBeInRange(wanted[failures - 1] * 0.8, wanted[failures - 1] * 1.2);
        }

        retry.After(int.MaxValue).TotalMilliseconds.ShouldBeInRange(8_000, 12_000);
    }

    private static PubSubSettings Read(string hocon) => PubSubSettings.Read(ConfigurationFactory.ParseString(hocon));
}
