using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using EcomStream.Core;
using Spectre.Console;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq show ID</c>: everything that is known of one.</summary>
internal static class ShowCommand
{
    private static readonly JsonSerializerOptions _indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var common = new CommonOptions();
        var id = new Argument<string>("id") { Description = "Its id, such as 17-1017" };
        var show = new Command("show", "Show one: payload, attributes, history, and whether its order is there now") { id };
        common.AddTo(show);
        show.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var row = await RowSelection.FindAsync(store, result.GetValue(id)!, stop);
            var fact = row.IsMessage ? null : (await store.ReadAsync([row.OrderId], stop))[0];
            Print(row, fact);
            return Exit.Ok;
        }));
        return show;
    }

    private static void Print(UnmatchedPayment row, OrderFact? fact)
    {
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumns("", "");
        void Add(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(value));
        Add("id", row.Id);
        Add("state", row.State.ToText());
        Add("reason", row.Reason.ToAttribute());
        Add("detail", row.Detail);
        Add("order", Order(row, fact));
        Add("published", Timestamps.Rfc3339(row.PublishTimeMicros));
        Add("since", Timestamps.Rfc3339(row.SinceMicros));
        Add("replays", row.Replays.ToString(CultureInfo.InvariantCulture));
        Add("message", $"{row.MessageId} of {row.Subscription}");
        foreach (var (name, value) in MessageAttributes.Of(row.AttributesJson))
        {
            Add($"attribute {name}", value);
        }

        foreach (var line in UnmatchedHistory.Lines(row.History))
        {
            Add("history", line);
        }

        RowWriters.Write(table);
        Console.WriteLine();
        Console.WriteLine(Payload(row.Data));
    }

    private static string Order(UnmatchedPayment row, OrderFact? fact) => (row, fact) switch
    {
        ({ IsMessage: true }, _) => "unknown: the message was not joined",
        (_, null) => $"{row.OrderId} is not there",
        (_, { Order: null }) => $"{row.OrderId} is not there, a payment {fact.Payment?.Key} is",
        (_, { Payment: null }) => $"{row.OrderId} is there, without a payment",
        _ => $"{row.OrderId} is there, with the payment {fact.Payment.Key ?? "without an id"}",
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
            return RowJson.TextOf(data.Span) ?? $"(no UTF-8, {data.Length} bytes)\n{Convert.ToHexString(data.Span)}";
        }
    }
}
