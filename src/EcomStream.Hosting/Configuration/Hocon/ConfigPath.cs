namespace EcomStream.Hosting;

/// <summary>The path of a setting: its keys, outermost first.</summary>
internal readonly struct ConfigPath : IEquatable<ConfigPath>
{
    private readonly string[]? _keys;

    public ConfigPath(params IEnumerable<string> keys) => _keys = [.. keys];

    /// <summary>The path of the whole configuration.</summary>
    public static ConfigPath Root => default;

    public IReadOnlyList<string> Keys => _keys ?? [];

    public int Length => Keys.Count;

    /// <summary>Reads a path without quotes, such as ecomstream.unmatched.grace.</summary>
    public static ConfigPath Parse(string text) => new(text.Split('.'));

    public static bool operator ==(ConfigPath left, ConfigPath right) => left.Equals(right);

    public static bool operator !=(ConfigPath left, ConfigPath right) => !left.Equals(right);

    /// <summary>This path and another one below it.</summary>
    public ConfigPath Append(ConfigPath below) => new(Keys.Concat(below.Keys));

    /// <summary>Whether this path begins with another one, or is the same.</summary>
    public bool StartsWith(ConfigPath other) => other.Length <= Length && other.Keys.SequenceEqual(Keys.Take(other.Length));

    /// <summary>The keys after the first ones.</summary>
    public ConfigPath After(int keys) => new(Keys.Skip(keys));

    public bool Equals(ConfigPath other) => Keys.SequenceEqual(other.Keys);

    public override bool Equals(object? obj) => obj is ConfigPath other && Equals(other);

    public override int GetHashCode() => Keys.Aggregate(17, (hash, key) => HashCode.Combine(hash, key));

    public override string ToString() =>
        string.Join('.', Keys.Select(key => key.Length > 0 && key.All(c => char.IsLetterOrDigit(c) || c is '-' or '_') ? key : $"\"{key}\""));
}
