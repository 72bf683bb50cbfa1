namespace EcomStream.Hosting;

/// <summary>A setting in effect.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Text">Its value; a secret is masked.</param>
/// <param name="Origin">Where it was set; null for the default.</param>
internal readonly record struct EffectiveSetting(string Path, string Text, string? Origin);

/// <summary>All settings of a process with their values and places.</summary>
internal static class EffectiveSettings
{
    private const string Mask = "******";

    /// <summary>The settings, sorted by path: all of EcomStream's, and what the user has set elsewhere.</summary>
    public static IReadOnlyList<EffectiveSetting> Of(LoadedConfiguration user)
    {
        var settings = ConfigurationCheck.Defaults.ToDictionary(known => known.Key, known => new EffectiveSetting(known.Key, known.Value, null));
        foreach (var (path, value) in user.Values.Leaves())
        {
            var name = path.ToString();
            var text = Text(value);
            settings[name] = new EffectiveSetting(name, IsSecret(path) && text.Length > 0 ? Mask : text, value.Origin.ToString());
        }

        return [.. settings.Values.OrderBy(setting => setting.Path, StringComparer.Ordinal)];
    }

    private static bool IsSecret(ConfigPath path) =>
        path.Keys[^1] is var key
        && (key.EndsWith("password", StringComparison.OrdinalIgnoreCase) || key.EndsWith("secret", StringComparison.OrdinalIgnoreCase)
            || key.EndsWith("token", StringComparison.OrdinalIgnoreCase));

    private static string Text(ConfigValue value) => value switch
    {
        TextValue text => text.Text ?? "null",
        ListValue list => $"[{string.Join(", ", list.Items.Select(Text))}]",
        _ => "{}",
    };
}
