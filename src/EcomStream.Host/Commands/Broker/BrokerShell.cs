using System.CommandLine;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream broker topics|subscriptions|publish|peek|pull</c>: a running broker from the shell.</summary>
internal static class BrokerShell
{
    private static readonly JsonSerializerOptions _line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static IEnumerable<Command> Commands(CommandContext context) =>
        [Topics(context), Subscriptions(context), Publish(context), Peek(context), Pull(context)];

    private static Command Topics(CommandContext context) =>
        Create(context, new Command("topics", "List the topics of a running broker"), async (_, broker, stop) =>
        {
            foreach (var topic in await broker.ListAsync("topics", stop))
            {
                await context.Out.WriteLineAsync((string?)topic["name"]);
            }
        });

    private static Command Subscriptions(CommandContext context) =>
        Create(context, new Command("subscriptions", "List the subscriptions of a running broker, each with its topic and its push endpoint"), async (_, broker, stop) =>
        {
            foreach (var subscription in await broker.ListAsync("subscriptions", stop))
            {
                var push = (string?)subscription["pushConfig"]?["pushEndpoint"];
                await context.Out.WriteLineAsync($"{subscription["name"]}\t{subscription["topic"]}{(push is null ? "" : $"\t{push}")}");
            }
        });

    private static Command Publish(CommandContext context)
    {
        var topic = new Argument<string>("topic") { Description = "Topic: its id or its full name" };
        var data = new Argument<string>("data") { Description = "Data of the message; - for standard input" };
        var attributes = new Option<string[]>("--attribute") { Description = "Attribute of the message; may be repeated", HelpName = "name=value", DefaultValueFactory = _ => [] };
        var key = new Option<string?>("--ordering-key") { Description = "Ordering key of the message", HelpName = "key" };
        return Create(context, new Command("publish", "Publish a message to a running broker, and print its id") { topic, data, attributes, key }, async (result, broker, stop) =>
        {
            var text = result.GetValue(data)!;
            var message = new JsonObject
            {
                ["data"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(text == "-" ? await context.In.ReadToEndAsync(stop) : text)),
                ["attributes"] = new JsonObject(result.GetValue(attributes)!.Select(Attribute)),
            };
            if (result.GetValue(key) is { } orderingKey)
            {
                message["orderingKey"] = orderingKey;
            }

            var published = await broker.CallAsync(
                HttpMethod.Post, $"{broker.Name("topics", result.GetValue(topic)!)}:publish", new JsonObject { ["messages"] = new JsonArray(message) }, stop);
            await context.Out.WriteLineAsync((string?)published["messageIds"]![0]);
        });
    }

    private static Command Peek(CommandContext context)
    {
        var subscription = new Argument<string>("subscription") { Description = "Subscription: its id or its full name" };
        var max = Options.Number("--max", 10, "Maximum number of messages", 1, 1_000);
        return Create(context, new Command("peek", "Show the oldest unacked messages of a subscription without leasing them") { subscription, max }, async (result, broker, stop) =>
        {
            var peeked = await broker.CallAsync(
                HttpMethod.Get, $"{broker.Name("subscriptions", result.GetValue(subscription)!)}:peek?maxMessages={result.GetValue(max)}", null, stop);
            foreach (var message in peeked["messages"]?.AsArray() ?? [])
            {
                await PrintAsync(context, message!["message"]!, ("leased", (bool?)message["leased"] ?? false));
            }
        });
    }

    private static Command Pull(CommandContext context)
    {
        var subscription = new Argument<string>("subscription") { Description = "Subscription: its id or its full name" };
        var max = Options.Number("--max", 10, "Maximum number of messages", 1, 1_000);
        var ack = new Option<bool>("--ack") { Description = "Ack the messages; without it they are given back at once, which counts as a failed delivery" };
        return Create(context, new Command("pull", "Pull messages of a subscription of a running broker") { subscription, max, ack }, async (result, broker, stop) =>
        {
            var name = broker.Name("subscriptions", result.GetValue(subscription)!);
            var pulled = await broker.CallAsync(
                HttpMethod.Post, $"{name}:pull", new JsonObject { ["maxMessages"] = result.GetValue(max), ["returnImmediately"] = true }, stop);
            var messages = pulled["receivedMessages"]?.AsArray() ?? [];
            foreach (var message in messages)
            {
                await PrintAsync(context, message!["message"]!);
            }

            if (messages.Count > 0)
            {
                var ids = new JsonObject { ["ackIds"] = new JsonArray([.. messages.Select(message => message!["ackId"]!.DeepClone())]) };
                if (!result.GetValue(ack))
                {
                    ids["ackDeadlineSeconds"] = 0;
                }

                await broker.CallAsync(HttpMethod.Post, $"{name}:{(result.GetValue(ack) ? "acknowledge" : "modifyAckDeadline")}", ids, stop);
            }
        });
    }

    private static Command Create(CommandContext context, Command command, Func<ParseResult, BrokerRest, CancellationToken, Task> work)
    {
        var common = new CommonOptions(context);
        var project = new Option<string?>("--project") { Description = "Project of topics and subscriptions that are given by their ids; ecomstream.pubsub.project-id when left out", HelpName = "id" };
        command.Options.Add(project);
        common.AddTo(command);
        return command.Runs(context, async (result, stop) =>
        {
            using var broker = new BrokerRest(common.Read(result), result.GetValue(project));
            await work(result, broker, stop);
            return Exit.Ok;
        });
    }

    private static Task PrintAsync(CommandContext context, JsonNode message, params (string Name, bool Value)[] more)
    {
        var (data, encoding) = BrokerRest.Data(message);
        var line = new JsonObject
        {
            ["message_id"] = message["messageId"]?.DeepClone(),
            ["publish_time"] = message["publishTime"]?.DeepClone(),
        };
        foreach (var (name, field) in ((string, string)[])[("ordering_key", "orderingKey"), ("attributes", "attributes")])
        {
            if (message[field] is { } value)
            {
                line[name] = value.DeepClone();
            }
        }

        foreach (var (name, value) in more)
        {
            line[name] = value;
        }

        line["data"] = data;
        line["data_encoding"] = encoding;
        return context.Out.WriteLineAsync(line.ToJsonString(_line));
    }

    private static KeyValuePair<string, JsonNode?> Attribute(string text) => text.Split('=', 2) is [{ Length: > 0 } name, var value]
        ? KeyValuePair.Create<string, JsonNode?>(name, value)
        : throw new UsageException($"--attribute {text}: must be name=value.");
}
