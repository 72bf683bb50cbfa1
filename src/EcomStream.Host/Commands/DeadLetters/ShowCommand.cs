using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using EcomStream.Core;
using EcomStream.Hosting;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq show ID</c>: everything that is known of one row.</summary>
internal static class ShowCommand
{
    private static readonly JsonSerializerOptions _indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonSerializerOptions _line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var id = new Argument<string>("id") { Description = "Id of the row, as dlq list shows it, such as 17-1017" };
        var format = OutputFormats.Option();
        var show = new Command("show", "Show one row: payload, attributes, history, and whether its order exists now") { id, format };
        common.AddTo(show);
        return show.Runs(context, async (result, stop) =>
        {
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var row = await RowSelection.FindAsync(store, result.GetValue(id)!, stop);
            var fact = row.IsMessage ? null : (await store.ReadAsync([row.OrderId], stop))[0];
            switch (result.GetValue(format))
            {
                case OutputFormat.Json:
                    var json = JsonNode.Parse(RowJson.Write(row))!.AsObject();
                    json["order_exists"] = fact?.Order is not null;
                    json["order_payment"] = fact?.Payment?.Key;
                    await context.Out.WriteLineAsync(json.ToJsonString(_line));
                    break;
                case OutputFormat.Csv:
                    await context.Out.WriteLineAsync(Csv.Line(["field", "value"]));
                    foreach (var (name, value) in Fields(row, fact).Append(("data", PayloadText.Of(row.Data.Span) ?? Payload(row.Data))))
                    {
                        await context.Out.WriteLineAsync(Csv.Line([name, value]));
                    }

                    break;
                default:
                    Print(context, row, fact);
                    break;
            }

            return Exit.Ok;
        });
    }

    private static void Print(CommandContext context, UnmatchedPayment row, OrderFact? fact)
    {
        var fields = Fields(row, fact).ToList();
        var width = fields.Max(field => Printable.Escape(field.Name).Length);
        foreach (var (name, value) in fields)
        {
            context.Out.WriteLine($"{Printable.Escape(name).PadRight(width)}  {Printable.Escape(value)}".TrimEnd());
        }

        context.Out.WriteLine();
        context.Out.WriteLine(Printable.Escape(Payload(row.Data), keepLines: true));
    }

    private static IEnumerable<(string Name, string Value)> Fields(UnmatchedPayment row, OrderFact? fact)
    {
        yield return ("id", row.Id);
        yield return ("state", row.State.ToText());
        yield return ("reason", row.Reason.ToAttribute());
        yield return ("detail", row.Detail);
        yield return ("order", Order(row, fact));
        yield return ("published", Timestamps.Rfc3339(row.PublishTimeMicros));
        yield return ("since", Timestamps.Rfc3339(row.SinceMicros));
        yield return ("changed", Timestamps.Rfc3339(row.ChangedMicros));
        yield return ("replays", row.Replays.ToString(CultureInfo.InvariantCulture));
        yield return ("message", $"{row.MessageId} of {row.Subscription}");
        foreach (var (name, value) in MessageAttributes.Of(row.AttributesJson))
        {
            yield return ($"attribute {name}", value);
        }

        foreach (var line in UnmatchedHistory.Lines(row.History))
        {
            yield return ("history", line);
        }
    }

    private static string Order(UnmatchedPayment row, OrderFact? fact) => (row, fact) switch
    {
        ({ IsMessage: true }, _) => "unknown: the message was not joined",
        (_, null) => $"{row.OrderId} does not exist",
        (_, { Order: null }) => $"{row.OrderId} does not exist, its row holds the payment {fact.Payment?.Key ?? "without an id"}",
        (_, { Payment: null }) => $"{row.OrderId} exists, without a payment",
        _ => $"{row.OrderId} exists, with the payment {fact.Payment.Key ?? "without an id"}",
    };

    private static string Payload(ReadOnlyMemory<byte> data)
    {
        try
        {
            using var json = JsonDocument.Parse(data);
            return JsonSerializer.Serialize(json.RootElement, _indented);
        }
        catch (JsonException)
        {
            return PayloadText.Of(data.Span) ?? $"(binary, {data.Length} bytes)\n{Convert.ToHexString(data.Span)}";
        }
    }
}
