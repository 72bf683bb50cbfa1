using Akka.Configuration.Hocon;

namespace EcomStream.Hosting;

/// <summary>A resolved value.</summary>
/// <param name="Origin">Where it was written last.</param>
internal abstract record ConfigValue(ConfigOrigin Origin)
{
    /// <summary>Values in it, itself included; one that is referred to twice counts twice.</summary>
    public abstract long Size { get; }

    /// <summary>The value in the form of Akka's configuration.</summary>
    public HoconValue ToAkka()
    {
        var value = new HoconValue();
        value.AppendValue(Element());
        return value;
    }

    private protected abstract IHoconElement Element();
}

/// <summary>A text, number or switch; null where it is the word null without quotes.</summary>
internal sealed record TextValue(ConfigOrigin Origin, string? Text) : ConfigValue(Origin)
{
    public override long Size => 1;

    private protected override IHoconElement Element() => new HoconLiteral { Value = Text ?? "null" };
}

/// <summary>A list.</summary>
internal sealed record ListValue(ConfigOrigin Origin, IReadOnlyList<ConfigValue> Items) : ConfigValue(Origin)
{
    public override long Size { get; } = 1 + Items.Sum(item => item.Size);

    private protected override IHoconElement Element()
    {
        var list = new HoconArray();
        list.AddRange(Items.Select(item => item.ToAkka()));
        return list;
    }
}

/// <summary>A section.</summary>
internal sealed record SectionValue(ConfigOrigin Origin, IReadOnlyDictionary<string, ConfigValue> Items) : ConfigValue(Origin)
{
    /// <summary>An empty section.</summary>
    public static SectionValue Empty { get; } = new(default, new Dictionary<string, ConfigValue>());

    public override long Size { get; } = 1 + Items.Values.Sum(item => item.Size);

    /// <summary>The value at a path below it; null for none.</summary>
    public ConfigValue? At(ConfigPath path)
    {
        ConfigValue? value = this;
        foreach (var key in path.Keys)
        {
            value = (value as SectionValue)?.Items.GetValueOrDefault(key);
        }

        return value;
    }

    /// <summary>All values that are not sections, and sections without any, with their paths.</summary>
    public IEnumerable<(ConfigPath Path, ConfigValue Value)> Leaves() => Items.SelectMany(item =>
        item.Value is SectionValue { Items.Count: > 0 } section
            ? section.Leaves().Select(leaf => (new ConfigPath([item.Key]).Append(leaf.Path), leaf.Value))
            : [(new ConfigPath([item.Key]), item.Value)]);

    /// <summary>This section with another one over it.</summary>
    public SectionValue With(SectionValue over)
    {
        var items = new Dictionary<string, ConfigValue>(Items);
        foreach (var (key, value) in over.Items)
        {
            items[key] = value is SectionValue section && items.GetValueOrDefault(key) is SectionValue below ? below.With(section) : value;
        }

        return new SectionValue(over.Origin, items);
    }

    /// <summary>This section with a value at a path below it; what is not a section on the way is replaced.</summary>
    public SectionValue With(ConfigPath path, ConfigValue value)
    {
        var key = path.Keys[0];
        var inner = path.Length == 1
            ? value is SectionValue section && Items.GetValueOrDefault(key) is SectionValue there ? there.With(section) : value
            : (Items.GetValueOrDefault(key) as SectionValue ?? Empty).With(path.After(1), value);
        return new SectionValue(value.Origin, new Dictionary<string, ConfigValue>(Items) { [key] = inner });
    }

    /// <summary>This section without the value at a path.</summary>
    public SectionValue Without(ConfigPath path)
    {
        var items = new Dictionary<string, ConfigValue>(Items);
        if (path.Length == 1)
        {
            items.Remove(path.Keys[0]);
        }
        else if (items.GetValueOrDefault(path.Keys[0]) is SectionValue inner)
        {
            items[path.Keys[0]] = inner.Without(path.After(1));
        }

        return new SectionValue(Origin, items);
    }

    private protected override IHoconElement Element()
    {
        var section = new HoconObject();
        foreach (var (key, value) in Items)
        {
            // Akka's values have no null: what is null is as if it were not set.
            if (value is not TextValue { Text: null })
            {
                section.Items[key] = value.ToAkka();
            }
        }

        return section;
    }
}
