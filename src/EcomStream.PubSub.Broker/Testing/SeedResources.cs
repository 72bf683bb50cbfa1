using System.Text.Json;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Fields;
using EcomStream.PubSub.Broker.State;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Testing;

/// <summary>
/// Schemas, topics and subscriptions that a broker has from its start: a JSON file with the arrays schemas, topics and subscriptions, each item as
/// the REST API takes it. What exists stays as it is.
/// </summary>
internal static class SeedResources
{
    private static readonly JsonDocumentOptions _lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <param name="path">The file; null for none.</param>
    /// <param name="state">Where what is missing is created.</param>
    /// <exception cref="BrokerStartException">The file cannot be read, or something in it cannot be created; the message says what.</exception>
    public static void Apply(string? path, BrokerState state)
    {
        if (path is null)
        {
            return;
        }

        try
        {
            using var seed = JsonDocument.Parse(File.ReadAllBytes(path), _lenient);
            foreach (var property in seed.RootElement.EnumerateObject().Where(property => property.Name is not ("schemas" or "topics" or "subscriptions")))
            {
                throw new JsonException($"it has '{property.Name}'; only schemas, topics and subscriptions are allowed");
            }

            foreach (var schema in Items(seed.RootElement, "schemas", Schema.Parser))
            {
                Create(schema.Name, "schema", () =>
                {
                    SchemaFields.Definition(schema);
                    state.CreateSchema(schema.Name, schema.Type, schema.Definition);
                });
            }

            // Dead-letter topics come before the subscriptions that name them.
            foreach (var topic in Items(seed.RootElement, "topics", Topic.Parser))
            {
                Create(topic.Name, "topic", () => state.CreateTopic(topic.Name, TopicFields.Settings(topic, state.Keeping(topic.Name))));
            }

            foreach (var subscription in Items(seed.RootElement, "subscriptions", Subscription.Parser))
            {
                Create(subscription.Name, "subscription", () => state.CreateSubscription(
                    subscription.Name, subscription.Topic, SubscriptionFields.Settings(subscription, state.Keeping(subscription.Name))));
            }
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new BrokerStartException($"The seed file {path} cannot be used: {wrong.Message.TrimEnd('.')}.", wrong);
        }
    }

    private static IEnumerable<T> Items<T>(JsonElement seed, string name, MessageParser<T> parser)
        where T : IMessage<T> =>
        seed.TryGetProperty(name, out var items) ? items.EnumerateArray().Select(item => parser.ParseJson(item.GetRawText())) : [];

    private static void Create(string name, string kind, Action create)
    {
        try
        {
            ServiceCalls.CheckName(kind, name);
            create();
        }
        catch (RpcException exists) when (exists.StatusCode == StatusCode.AlreadyExists)
        {
            // It is there from an earlier start.
        }
        catch (RpcException wrong)
        {
            throw new JsonException($"{name}: {wrong.Status.Detail.TrimEnd('.')}", wrong);
        }
    }
}
