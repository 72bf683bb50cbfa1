using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream orders get ID</c>: the row of an order.</summary>
internal static class OrdersCommand
{
    private const int HealableShown = 1_000;

    private static readonly JsonSerializerOptions _line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var id = new Argument<long>("order-id")
        {
            Description = "Id of the order",
            CustomParser = result =>
            {
                if (long.TryParse(result.Tokens[0].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var orderId))
                {
                    return orderId;
                }

                result.AddError($"{result.Tokens[0].Value}: must be an order id, a whole number.");
                return default;
            },
        };
        var format = OutputFormats.Option();
        var get = new Command("get", "Show the row of an order") { id, format };
        common.AddTo(get);
        get.Runs(context, async (result, stop) =>
        {
            var settings = common.Read(result);
            await using var store = await StoreAccess.OpenAsync(settings, stop);
            var orderId = result.GetValue(id);
            var row = (await store.ReadAsync([orderId], stop))[0]
                ?? throw new NotFoundException(
                    $"There is no row for order {orderId} in {Stores.Describe(settings)}.{await UnmatchedAsync(store, orderId, stop)}");
            Print(context, result.GetValue(format), Columns(row));
            return Exit.Ok;
        });
        return new Command("orders", "Show joined orders") { get };
    }

    // The usual reason for a missing row is a missing order, and then the user asks next where the payment is.
    private static async Task<string> UnmatchedAsync(IFactStore store, long orderId, CancellationToken stop)
    {
        var payments = (await store.ReadUnjoinedAsync([orderId], HealableShown + 1, stop)).Count(row => row.IsHealable);
        return payments == 0
            ? ""
            : $" {(payments > HealableShown ? $"More than {HealableShown}" : $"{payments}")} unmatched payment{(payments == 1 ? "" : "s")} of it: ecomstream dlq list --order {orderId}";
    }

    private static (string Name, object? Value)[] Columns(OrderFact row) =>
    [
        ("order_id", row.OrderId),
        ("customer_id", row.Order?.CustomerId),
        ("item", row.Order?.Item),
        ("quantity", row.Order?.Quantity),
        ("price", row.Order?.Price),
        ("shipping_address", row.Order?.ShippingAddress),
        ("order_status", row.Order?.OrderStatus),
        ("creation_date", row.Order?.CreationDate),
        ("payment_id", row.Payment?.PaymentId),
        ("payment_method", row.Payment?.PaymentMethod),
        ("card_last_four", row.Payment?.CardLastFour),
        ("payment_status", row.Payment?.PaymentStatus),
        ("payment_datetime", row.Payment?.PaymentDatetime),
    ];

    private static void Print(CommandContext context, OutputFormat format, (string Name, object? Value)[] columns)
    {
        switch (format)
        {
            case OutputFormat.Json:
                context.Out.WriteLine(JsonSerializer.Serialize(columns.ToDictionary(column => column.Name, column => column.Value), _line));
                break;
            case OutputFormat.Csv:
                context.Out.WriteLine(Csv.Line(columns.Select(column => column.Name)));
                context.Out.WriteLine(Csv.Line(columns.Select(column => Text(column.Value) ?? "")));
                break;
            default:
                var width = columns.Max(column => column.Name.Length);
                foreach (var (name, value) in columns)
                {
                    context.Out.WriteLine($"{name.PadRight(width)}  {Printable.Escape(Text(value) ?? "null")}");
                }

                break;
        }
    }

    private static string? Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture) is { Length: > 0 } text ? text : value as string;
}
