using System.Globalization;
using System.Text;

namespace EcomStream.Simulation;

/// <summary>What happened in a simulation: a hash of everything, and the lines where they are wanted.</summary>
/// <param name="lines">Where the lines go; null for the hash alone.</param>
internal sealed class Trace(TextWriter? lines)
{
    private ulong _hash = 14_695_981_039_346_656_037;

    /// <summary>A hash of everything that was traced, the same for the same simulation.</summary>
    public string Hash => _hash.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Whether lines are written.</summary>
    public bool HasLines => lines is not null;

    /// <summary>Virtual time as text: minutes, seconds, microseconds.</summary>
    public static string Time(long micros) => TimeSpan.FromMicroseconds(micros).ToString(@"hh\:mm\:ss\.ffffff", CultureInfo.InvariantCulture);

    /// <summary>An event of the world.</summary>
    public void Event(long at, string what)
    {
        Add(at);
        Add(what);
        lines?.WriteLine($"{Time(at)}  {what}");
    }

    /// <summary>An actor runs, or whatever else a dispatcher was given.</summary>
    public void Run(long at, int choice, int ready, string name)
    {
        Add((choice << 16) + ready);
        Add(name);
        lines?.WriteLine($"{Time(at)}    {name}");
    }

    /// <summary>A line that only a reader needs.</summary>
    public void Note(long at, string what) => lines?.WriteLine($"{Time(at)}      {what}");

    private void Add(string text)
    {
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            Mix(b);
        }
    }

    private void Add(long value)
    {
        for (var i = 0; i < sizeof(long); i++)
        {
            Mix((byte)(value >> (8 * i)));
        }
    }

    // FNV-1a.
    private void Mix(byte value) => _hash = (_hash ^ value) * 1_099_511_628_211;
}
