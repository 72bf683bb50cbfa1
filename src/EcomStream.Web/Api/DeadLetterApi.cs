using System.Text;
using EcomStream.Core;
using EcomStream.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace EcomStream.Web;

/// <summary>A selection of dead letters and why they are handled.</summary>
internal sealed record DeadLetterSelection
{
    /// <summary>The ids of single dead letters; null to take those of the filter.</summary>
    public IReadOnlyList<string>? Ids { get; init; }

    /// <summary>All dead letters that this finds; not used with ids.</summary>
    public DeadLetterFilter? Filter { get; init; }

    /// <summary>Why; kept in the history.</summary>
    public string? Reason { get; init; }
}

/// <summary>Lists dead letters and waiting payments, and replays and discards them.</summary>
internal sealed class DeadLetterApi(HostSettings settings, HttpSettings http, PipelineService service, ILogger<DeadLetterApi> logger)
{
    private const int LargestPage = 200;
    private const int MostSelected = 1_000_000;

    private readonly DeadLetterOperationLog _operations = new();

    /// <summary>Maps its endpoints.</summary>
    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/api/dead-letters", ([AsParameters] ListRequest request, CancellationToken stop) => Answers.WithStore(() => ListAsync(request, stop)));
        endpoints.MapGet("/api/dead-letters/export", (HttpContext context) => ExportAsync(context));
        endpoints.MapGet("/api/dead-letters/{id}", (string id, CancellationToken stop) => Answers.WithStore(() => ShowAsync(id, stop)));
        endpoints.MapPost("/api/dead-letters/count", (Delegate)((HttpContext context) => Answers.WithStore(() => CountAsync(context))));
        endpoints.MapPost("/api/dead-letters/replay", (Delegate)((HttpContext context) => Answers.WithStore(() => StartAsync(DeadLetterAction.Replay, context))));
        endpoints.MapPost("/api/dead-letters/discard", (Delegate)((HttpContext context) => Answers.WithStore(() => StartAsync(DeadLetterAction.Discard, context))));
        endpoints.MapGet("/api/operations/{id}", (string id) =>
            _operations.Find(id) is { } operation ? Answers.Ok(Describe(operation)) : Answers.Wrong("There is no such operation.", StatusCodes.Status404NotFound));
    }

    private async Task<IResult> ListAsync(ListRequest request, CancellationToken stop)
    {
        var (query, error) = request.Filter.ToQuery();
        UnmatchedCursor? after = null;
        if (query is null || (!string.IsNullOrEmpty(request.After) && !TryCursor(request.After, out after)))
        {
            return Answers.Wrong(error ?? "The place to continue from is invalid.");
        }

        var size = Math.Clamp(request.Limit ?? 50, 1, LargestPage);
        var rows = await Store.ListUnmatchedAsync(query with { After = after, Limit = size + 1 }, stop).ToListAsync(stop);
        return Answers.Ok(new
        {
            rows = rows.Take(size).Select(DeadLetterJson.Summary),
            next = rows.Count > size ? UnmatchedCursor.Of(rows[size - 1]).ToString() : null,
        });
    }

    private async Task<IResult> ShowAsync(string id, CancellationToken stop) =>
        DeadLetterId.TryGetRowKey(id, out var key) && await Store.ReadUnmatchedRowsAsync([key], stop) is [var row, ..]
            ? Answers.Ok(DeadLetterJson.Detail(row))
            : Answers.Wrong($"There is no dead letter or waiting payment {id}.", StatusCodes.Status404NotFound);

    private async Task ExportAsync(HttpContext context)
    {
        var text = context.Request.Query;
        var filter = new DeadLetterFilter
        {
            State = text["state"], Reason = text["reason"], Order = text["order"], From = text["from"], Until = text["until"],
        };
        var (query, error) = filter.ToQuery();
        if (query is null)
        {
            await Answers.Wrong(error!).ExecuteAsync(context);
            return;
        }

        context.Response.ContentType = "application/x-ndjson";
        context.Response.Headers.ContentDisposition = "attachment; filename=\"dead-letters.jsonl\"";
        await foreach (var row in Store.ListUnmatchedAsync(query, context.RequestAborted))
        {
            await context.Response.WriteAsync(DeadLetterJson.Line(row) + "\n", Encoding.UTF8, context.RequestAborted);
        }
    }

    private async Task<IResult> CountAsync(HttpContext context)
    {
        var (keys, error) = await SelectAsync(await ReadAsync(context), DeadLetterAction.Discard, context.RequestAborted);
        return keys is null ? Answers.Wrong(error!) : Answers.Ok(new { count = keys.Count });
    }

    private async Task<IResult> StartAsync(DeadLetterAction action, HttpContext context)
    {
        if (!http.Actions)
        {
            return Answers.Wrong("The dashboard is read-only. Set ecomstream.http.actions = on, or use ecomstream dlq.", StatusCodes.Status403Forbidden);
        }

        var selection = await ReadAsync(context);
        if (string.IsNullOrWhiteSpace(selection?.Reason))
        {
            return Answers.Wrong("Give a reason; it is kept in the history.");
        }

        if (selection.Ids is null == selection.Filter is null)
        {
            return Answers.Wrong("Give either ids or a filter.");
        }

        var (keys, error) = await SelectAsync(selection, action, context.RequestAborted);
        if (keys is null)
        {
            return Answers.Wrong(error!);
        }

        var resources = service.Resources;
        var operation = _operations.Add(action, keys.Count);
        logger.LogInformation("Dashboard: {Action} of {Count} dead letters, because: {Reason}", action, keys.Count, selection.Reason);
        _ = new DeadLetterActions(settings, resources.Ports.Store, resources.Ports.Publisher, TimeProvider.System)
            .RunAsync(action, keys, selection.Reason.Trim(), operation, CancellationToken.None);
        return Answers.Ok(Describe(operation));
    }

    // The keys first: a replay changes what the listing returns.
    private async Task<(IReadOnlyList<(long OrderId, string PaymentKey)>? Keys, string? Error)> SelectAsync(
        DeadLetterSelection? selection, DeadLetterAction action, CancellationToken stop)
    {
        if (selection?.Ids is { } ids)
        {
            var keys = new List<(long, string)>();
            foreach (var id in ids.Distinct())
            {
                if (!DeadLetterId.TryGetRowKey(id, out var key))
                {
                    return (null, $"'{id}' is not the id of a dead letter.");
                }

                keys.Add(key);
            }

            var rows = new List<(long, string)>();
            foreach (var chunk in keys.Chunk(200))
            {
                rows.AddRange((await Store.ReadUnmatchedRowsAsync(chunk, stop))
                    .Where(row => DeadLetterActions.Allowed(action).Contains(row.State))
                    .Select(row => (row.OrderId, row.PaymentKey)));
            }

            return (rows, null);
        }

        var (query, error) = (selection?.Filter ?? new DeadLetterFilter()).ToQuery();
        if (query is null)
        {
            return (null, error);
        }

        if (query.States.Any(state => state != UnmatchedState.DeadLettered))
        {
            return (null, "Only dead-lettered ones can be selected by a filter.");
        }

        var found = new List<(long, string)>();
        await foreach (var row in Store.ListUnmatchedAsync(query with { States = [UnmatchedState.DeadLettered], Limit = MostSelected }, stop))
        {
            found.Add((row.OrderId, row.PaymentKey));
        }

        return (found, null);
    }

    private static async Task<DeadLetterSelection?> ReadAsync(HttpContext context)
    {
        try
        {
            return await context.Request.ReadFromJsonAsync<DeadLetterSelection>(Answers.Json, context.RequestAborted);
        }
        catch (Exception unreadable) when (unreadable is System.Text.Json.JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static bool TryCursor(string text, out UnmatchedCursor? cursor)
    {
        var isCursor = UnmatchedCursor.TryParse(text, out var parsed);
        cursor = parsed;
        return isCursor;
    }

    private static object Describe(DeadLetterOperation operation) => new
    {
        id = operation.Id,
        action = operation.Action.ToString().ToLowerInvariant(),
        total = operation.Total,
        done = operation.Done,
        skipped = operation.Skipped,
        finished = operation.IsFinished,
        error = operation.Error,
    };

    private IFactStore Store => service.ResourcesOrNull?.Ports.Store ?? throw new StoreUnavailableException("The store is not open yet.");

    /// <summary>The parameters of a listing.</summary>
    public readonly record struct ListRequest(string? State, string? Reason, string? Order, string? From, string? Until, string? After, int? Limit)
    {
        /// <summary>Its filter.</summary>
        public DeadLetterFilter Filter => new() { State = State, Reason = Reason, Order = Order, From = From, Until = Until };
    }
}
