using System.CommandLine;
using System.Globalization;
using Spectre.Console;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream orders get ID</c>: the row of an order.</summary>
internal static class OrdersCommand
{
    public static Command Create()
    {
        var common = new CommonOptions();
        var id = new Argument<long>("order-id") { Description = "The order" };
        var get = new Command("get", "Show the row of an order") { id };
        common.AddTo(get);
        get.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var settings = common.Read(result);
            await using var store = await StoreAccess.OpenAsync(settings, stop);
            var orderId = result.GetValue(id);
            var row = (await store.ReadAsync([orderId], stop))[0];
            if (row is null)
            {
                await Console.Error.WriteLineAsync($"ecomstream: there is no row for order {orderId} in {Stores.Describe(settings)}.");
                return Exit.Failed;
            }

            var table = new Table().Border(TableBorder.Simple).AddColumns("column", "value");
            void Add(string column, object? value) =>
                table.AddRow(column, Markup.Escape(Convert.ToString(value, CultureInfo.InvariantCulture) ?? "null"));
            Add("order_id", row.OrderId);
            Add("customer_id", row.Order?.CustomerId ?? (object?)null);
            Add("item", row.Order?.Item);
            Add("quantity", row.Order?.Quantity ?? (object?)null);
            Add("price", row.Order?.Price ?? (object?)null);
            Add("shipping_address", row.Order?.ShippingAddress);
            Add("order_status", row.Order?.OrderStatus);
            Add("creation_date", row.Order?.CreationDate);
            Add("payment_id", row.Payment?.PaymentId ?? (object?)null);
            Add("payment_method", row.Payment?.PaymentMethod);
            Add("card_last_four", row.Payment?.CardLastFour);
            Add("payment_status", row.Payment?.PaymentStatus);
            Add("payment_datetime", row.Payment?.PaymentDatetime);
            AnsiConsole.Write(table);
            return Exit.Ok;
        }));
        return new Command("orders", "Look at joined orders") { get };
    }
}
