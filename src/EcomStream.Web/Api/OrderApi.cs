using System.Globalization;
using Akka.Actor;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EcomStream.Web;

/// <summary>Everything that is known of one order, and the search for orders.</summary>
internal sealed class OrderApi(HostSettings settings, PipelineService service)
{
    private static readonly TimeSpan InspectTimeout = TimeSpan.FromSeconds(1);

    /// <summary>Maps its endpoints.</summary>
    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/api/orders/{id:long}", (long id, CancellationToken stop) => Answers.WithStore(() => OrderAsync(id, stop)));
        endpoints.MapGet("/api/search", (string q, CancellationToken stop) => Answers.WithStore(() => SearchAsync(q.Trim(), stop)));
    }

    // An order id, a payment id, or the id of a dead letter (ORDER-PAYMENT).
    private async Task<IResult> SearchAsync(string text, CancellationToken stop)
    {
        if (service.ResourcesOrNull is not { } resources)
        {
            return Answers.Wrong("The store is not open.", StatusCodes.Status503ServiceUnavailable);
        }

        if (DeadLetterId.TryGetRowKey(text, out var key) && !DeadLetterId.NamesMessage(key.PaymentKey))
        {
            return Answers.Ok(new { orders = new[] { Id(key.OrderId) } });
        }

        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            return Answers.Wrong("Give the number of an order or a payment, or the id of a dead letter, such as 17-1017.");
        }

        var isOrder = (await resources.Ports.Store.ReadAsync([number], stop))[0] is not null
            || (await resources.Ports.Store.ReadUnmatchedAsync([number], stop)).Count > 0;
        var (byPayment, isComplete) = await PaymentSearch.FindOrdersAsync(settings, number, stop);
        var orders = (isOrder ? [number] : Array.Empty<long>()).Concat(byPayment).Distinct();
        return Answers.Ok(new
        {
            orders = orders.Select(Id),
            note = isComplete ? null : "Payments are found by the ids of their orders only: the table in Cassandra has no index on payment_id.",
        });
    }

    private async Task<IResult> OrderAsync(long id, CancellationToken stop)
    {
        if (service.ResourcesOrNull is not { } resources)
        {
            return Answers.Wrong("The store is not open.", StatusCodes.Status503ServiceUnavailable);
        }

        var fact = (await resources.Ports.Store.ReadAsync([id], stop))[0];
        var unmatched = (await resources.Ports.Store.ReadUnmatchedAsync([id], stop)).OrderBy(UnmatchedCursor.Of).ToList();
        var live = await InspectAsync(id);
        return Answers.Ok(new
        {
            id = Id(id),
            row = fact is null ? null : Row(fact),
            live = live is null ? null : new
            {
                order = live.OrderSide.ToString().ToLowerInvariant(),
                payment = live.PaymentSide.ToString().ToLowerInvariant(),
                paymentKey = live.PaymentKey,
                busy = live.IsBusy,
                waiting = live.Waiting.Select(waiting => new
                {
                    key = waiting.Message.Payment.Key ?? Payment.NoKey,
                    published = Answers.Time(waiting.Message.Stamp.Micros),
                    hasRow = waiting.HasRow,
                    givenUp = waiting.IsGivenUp,
                }),
            },
            unmatched = unmatched.Select(row => DeadLetterJson.Summary(row)),
            timeline = OrderTimeline.Of(fact, unmatched).Select(entry => new { at = Answers.Time(entry.AtMicros), what = entry.What, detail = CardMask.Apply(entry.Detail), message = entry.MessageId }),
        });
    }

    private async Task<OrderSnapshot?> InspectAsync(long id)
    {
        try
        {
            return service.PipelineOrNull is { Completion.IsCompleted: false } pipeline ? await pipeline.InspectAsync(id, InspectTimeout) : null;
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    // Ids are text: a number of JavaScript has 53 bits only.
    private static string Id(long id) => id.ToString(CultureInfo.InvariantCulture);

    private static Dictionary<string, string?> Row(OrderFact fact) => new Dictionary<string, string?>
    {
        ["order_id"] = Id(fact.OrderId),
        ["customer_id"] = fact.Order?.CustomerId?.ToString(CultureInfo.InvariantCulture),
        ["item"] = fact.Order?.Item,
        ["quantity"] = fact.Order?.Quantity?.ToString(CultureInfo.InvariantCulture),
        ["price"] = fact.Order?.Price?.ToString("R", CultureInfo.InvariantCulture),
        ["shipping_address"] = fact.Order?.ShippingAddress,
        ["order_status"] = fact.Order?.OrderStatus,
        ["creation_date"] = fact.Order?.CreationDate,
        ["payment_id"] = fact.Payment?.PaymentId?.ToString(CultureInfo.InvariantCulture),
        ["payment_method"] = fact.Payment?.PaymentMethod is { } method ? CardMask.Apply(method) : null,
        ["card_last_four"] = CardMask.LastFour(fact.Payment?.CardLastFour),
        ["payment_status"] = fact.Payment?.PaymentStatus,
        ["payment_datetime"] = fact.Payment?.PaymentDatetime,
    };
}
