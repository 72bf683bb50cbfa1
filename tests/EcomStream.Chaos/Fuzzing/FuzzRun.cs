using System.Diagnostics;
using System.IO.MemoryMappedFiles;

namespace EcomStream.Chaos.Fuzzing;

/// <summary>
/// Hands many inputs to the targets. A fault is an exception that is not documented, a wrong result, an input that takes too
/// long, or one that makes the reader allocate far more than it has bytes. A crash of the process is found by whoever
/// started it, and the position file names the input.
/// </summary>
/// <param name="seed">The same seed and number give the same input.</param>
/// <param name="inputs">Inputs over all targets.</param>
/// <param name="output">For the report.</param>
internal sealed class FuzzRun(int seed, long inputs, TextWriter output)
{
    private const long AllocationBase = 64L << 20;
    private const long AllocationPerByte = 4_096;
    private const int MostFaults = 25;
    private const int ShownBytes = 400;
    private const int KindLength = 20;
    private static readonly TimeSpan _deadline = TimeSpan.FromSeconds(20);

    private readonly HashSet<string> _known = [];
    private readonly string _positionFile = Path.Combine(Path.GetTempPath(), $"ecomstream-fuzz-{Environment.ProcessId}.position");
    private long _began;
    private string _current = "";

    /// <summary>Runs all inputs.</summary>
    /// <param name="targets">What reads them.</param>
    /// <param name="only">A single number, to repeat it; null for all.</param>
    /// <returns>Whether nothing was found.</returns>
    public bool Run(IReadOnlyList<IFuzzTarget> targets, long? only)
    {
        var clock = Stopwatch.StartNew();
        using var position = new Position(_positionFile);
        using var watch = new Timer(_ => EndIfHung(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        output.WriteLine($"fuzz: seed {seed}, {inputs} inputs; after a crash {_positionFile} has the target and the number");
        var weights = targets.Sum(target => target.Weight);
        foreach (var target in targets)
        {
            var started = clock.Elapsed;
            var count = only is null ? inputs * target.Weight / weights : 1;
            for (var i = 0L; i < count && _known.Count < MostFaults; i++)
            {
                RunOne(target, only ?? i, position);
            }

            output.WriteLine($"fuzz: {target.Name,-16} {count,9} inputs, {(clock.Elapsed - started).TotalSeconds,6:0.0} s");
        }

        output.WriteLine($"fuzz: {_known.Count} faults, {clock.Elapsed.TotalSeconds:0.0} s; to repeat: fuzz --inputs {inputs} --seed {seed}");
        return _known.Count == 0;
    }

    private void RunOne(IFuzzTarget target, long number, Position position)
    {
        // Not GetHashCode of the text: that is another one in each process.
        var name = target.Name.Aggregate(17, (hash, c) => unchecked((hash * 31) + c));
        var input = new FuzzInput(new Random(unchecked((seed * 1_000_003) ^ (name * 7_919) ^ (int)number)));
        _current = $"--target {target.Name} --seed {seed} --number {number}";
        position.Write(_current);
        Volatile.Write(ref _began, Stopwatch.GetTimestamp());
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            target.Run(input);
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            if (allocated > AllocationBase + (AllocationPerByte * input.Last.Length))
            {
                throw new FuzzException($"{input.Last.Length} bytes made it allocate {allocated >> 20} MiB");
            }
        }
        catch (Exception fault)
        {
            Report(target, fault, input);
        }
        finally
        {
            Volatile.Write(ref _began, 0);
        }
    }

    // Faults that come from the same place are one.
    private void Report(IFuzzTarget target, Exception fault, FuzzInput input)
    {
        var place = fault.StackTrace?.Split('\n').FirstOrDefault(line => line.Contains("EcomStream.", StringComparison.Ordinal))?.Trim() ?? "";
        var kind = fault is FuzzException ? fault.Message[..Math.Min(fault.Message.Length, KindLength)] : "";
        if (_known.Add($"{target.Name} {fault.GetType()} {place} {kind}"))
        {
            output.WriteLine($"FAULT {_current}: {fault.GetType().Name}: {fault.Message}");
            output.WriteLine($"  {place}");
            output.WriteLine($"  input ({input.Last.Length} bytes): {Convert.ToHexString(input.Last.AsSpan(0, Math.Min(ShownBytes, input.Last.Length)))}");
        }
    }

    private void EndIfHung()
    {
        if (Volatile.Read(ref _began) is > 0 and var began && Stopwatch.GetElapsedTime(began) > _deadline)
        {
            output.WriteLine($"FAULT {_current}: not done after {_deadline.TotalSeconds} s");
            output.Flush();
            Environment.Exit(1);
        }
    }

    /// <summary>Which input is under way, in a file that outlives the process.</summary>
    private sealed class Position : IDisposable
    {
        private const int Size = 256;

        private readonly string _path;
        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;

        public Position(string path)
        {
            _path = path;
            _file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, Size);
            _view = _file.CreateViewAccessor(0, Size);
        }

        public void Write(string text)
        {
            var bytes = new byte[Size];
            System.Text.Encoding.ASCII.GetBytes(text.AsSpan(0, Math.Min(text.Length, Size)), bytes);
            _view.WriteArray(0, bytes, 0, Size);
        }

        public void Dispose()
        {
            _view.Dispose();
            _file.Dispose();
            File.Delete(_path);
        }
    }
}
