using System.Globalization;
using EcomStream.Cassandra.Seam;
using EcomStream.Core;

namespace EcomStream.Cassandra;

/// <summary>
/// The rows that tell which process joins a subscription. They are written by lightweight transactions, a few in a minute,
/// and expire when their owner no longer renews them.
/// </summary>
/// <param name="client">The client.</param>
/// <param name="table">The table with its keyspace.</param>
internal sealed class OwnerRows(ICqlClient client, string table)
{
    /// <summary>Writes or renews the row of an owner unless another owner has one, and returns the row that is there then.</summary>
    /// <exception cref="CqlFault">The table is missing, the role may not use it, or too few nodes answer.</exception>
    public async Task<SubscriptionOwner?> ClaimAsync(string subscription, SubscriptionOwner owner, TimeSpan timeToLive, CancellationToken cancellationToken)
    {
        var (key, ttl) = (Text(subscription), (int)timeToLive.TotalSeconds);
        var found = await ReadAsync(key, cancellationToken);
        if (found is not null && found.Id != owner.Id)
        {
            return found;
        }

        // What was read may have expired or changed since: each of the two has a condition of its own.
        var (id, process, machine) = (Text(owner.Id), Text(owner.Process), Text(owner.Machine));
        await client.ExecuteAsync(
            found is null
                ? Invariant($"INSERT INTO {table} (subscription, owner, process, machine, process_id, process_started, renewed) VALUES ({key}, {id}, {process}, {machine}, {owner.ProcessId}, {owner.ProcessStartedMicros}, {owner.RenewedMicros}) IF NOT EXISTS USING TTL {ttl}")
                : Invariant($"UPDATE {table} USING TTL {ttl} SET owner = {id}, process = {process}, machine = {machine}, process_id = {owner.ProcessId}, process_started = {owner.ProcessStartedMicros}, renewed = {owner.RenewedMicros} WHERE subscription = {key} IF owner = {id}"),
            cancellationToken);
        return await ReadAsync(key, cancellationToken);
    }

    /// <summary>Deletes the row of an owner.</summary>
    /// <exception cref="CqlFault">As of <see cref="ClaimAsync"/>.</exception>
    public Task ReleaseAsync(string subscription, string ownerId, CancellationToken cancellationToken) =>
        client.ExecuteAsync($"DELETE FROM {table} WHERE subscription = {Text(subscription)} IF owner = {Text(ownerId)}", cancellationToken);

    /// <summary>Records that a subscription was left with nothing in flight, in a row of its own that does not expire.</summary>
    /// <exception cref="CqlFault">As of <see cref="ClaimAsync"/>.</exception>
    public Task SetCleanStopAsync(string subscription, CancellationToken cancellationToken) =>
        client.ExecuteAsync($"INSERT INTO {table} (subscription, owner) VALUES ({CleanStopKey(subscription)}, '') IF NOT EXISTS", cancellationToken);

    /// <summary>Deletes that row, and says whether it was there.</summary>
    /// <exception cref="CqlFault">As of <see cref="ClaimAsync"/>.</exception>
    public async Task<bool> TakeCleanStopAsync(string subscription, CancellationToken cancellationToken)
    {
        // The first column of the answer is [applied], a boolean. A read could find on one replica what was deleted on others.
        var answer = await client.ExecuteAsync($"DELETE FROM {table} WHERE subscription = {CleanStopKey(subscription)} IF EXISTS", cancellationToken);
        return answer.Next() && answer.Bytes(0) is [1];
    }

    // Subscription names contain no spaces, so this cannot be the key of another subscription.
    private static string CleanStopKey(string subscription) => Text($"clean stop of {subscription}");

    private async Task<SubscriptionOwner?> ReadAsync(string key, CancellationToken cancellationToken)
    {
        var rows = await client.ExecuteAsync(
            $"SELECT owner, process, machine, process_id, process_started, renewed FROM {table} WHERE subscription = {key}", cancellationToken);
        return rows.Next() && rows.TextOrNull(0) is { } id
            ? new SubscriptionOwner(
                id, rows.TextOrNull(1) ?? "", rows.TextOrNull(2) ?? "", rows.Int32OrNull(3) ?? 0, rows.Int64OrNull(4) ?? 0, rows.Int64OrNull(5) ?? 0)
            : null;
    }

    private static string Invariant(FormattableString cql) => cql.ToString(CultureInfo.InvariantCulture);

    private static string Text(string value) => $"'{value.Replace("'", "''", StringComparison.Ordinal)}'";
}
