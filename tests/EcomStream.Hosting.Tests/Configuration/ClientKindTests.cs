using Akka.Configuration;

namespace EcomStream.Hosting.Tests.Configuration;

/// <summary>Which client a configuration asks for, and what a build without it says.</summary>
public sealed class ClientKindTests
{
    [Fact]
    public void The_native_clients_are_the_default_and_in_every_build()
    {
        var settings = HostSettings.Read(Config.Empty, emulatorHost: null);

        (settings.PubSubClient, settings.CassandraClient).ShouldBe((ClientKind.Native, ClientKind.Native));
        ClientKindReader.Required(ClientKind.Native, "ecomstream.pubsub.client", hasOfficialClients: false).ShouldBe(ClientKind.Native);
    }

    [Fact]
    public void A_build_without_the_official_clients_says_how_to_get_them()
    {
        var error = Should.Throw<ConfigurationException>(
            () => ClientKindReader.Required(ClientKind.Official, "ecomstream.pubsub.client", hasOfficialClients: false));

        error.Message.ShouldBe(
            "ecomstream.pubsub.client = official: this build of EcomStream does not contain the official clients. "
            + "Build it with 'dotnet build -p:OfficialClients=true' (an image with '--build-arg OFFICIAL_CLIENTS=true'), or set it to native; see docs/clients.md.");
        ClientKindReader.Required(ClientKind.Official, "ecomstream.pubsub.client", hasOfficialClients: true).ShouldBe(ClientKind.Official);
    }

    [Theory]
    [InlineData("ecomstream.pubsub.client")]
    [InlineData("ecomstream.store.cassandra.client")]
    public void A_client_that_does_not_exist_is_rejected_with_the_choices(string path) =>
        Should.Throw<ConfigurationException>(() => HostSettings.Read(ConfigurationFactory.ParseString($"{path} = other"), emulatorHost: null))
            .Message.ShouldBe($"{path} = other: must be native or official.");

    [SkippableTheory]
    [InlineData("ecomstream.pubsub.client")]
    [InlineData("ecomstream.store.cassandra.client")]
    public void Asking_for_an_official_client_is_one_configuration_problem(string path)
    {
        Skip.If(ClientKindReader.HasOfficialClients, "this build contains the official clients");

        ConfigurationCheck.Problems(ConfigurationFactory.ParseString($"{path} = official"), emulatorHost: null)
            .ShouldHaveSingleItem().ShouldContain($"{path} = official: this build of EcomStream does not contain the official clients.");
    }
}
