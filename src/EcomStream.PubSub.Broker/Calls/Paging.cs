namespace EcomStream.PubSub.Broker.Calls;

/// <summary>Pages of a list by name: the token is the last name of the page before.</summary>
internal static class Paging
{
    private const int DefaultSize = 100;
    private const int LargestSize = 1_000;

    public static (IReadOnlyList<T> Page, string NextToken) Page<T>(IEnumerable<T> all, Func<T, string> name, int size, string token)
    {
        var limit = size <= 0 ? DefaultSize : Math.Min(size, LargestSize);
        var rest = all.OrderBy(name, StringComparer.Ordinal)
            .Where(item => token.Length == 0 || string.CompareOrdinal(name(item), token) > 0)
            .Take(limit + 1)
            .ToList();
        return rest.Count <= limit ? (rest, "") : (rest.GetRange(0, limit), name(rest[limit - 1]));
    }
}
