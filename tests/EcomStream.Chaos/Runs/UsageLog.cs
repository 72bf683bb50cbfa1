using System.Diagnostics;
using System.Globalization;
using EcomStream.Chaos.Processes;

namespace EcomStream.Chaos.Runs;

/// <summary>What the processes use over time, as CSV, and how fast it grows.</summary>
/// <param name="deployment">The processes.</param>
/// <param name="file">The CSV file.</param>
internal sealed class UsageLog(Deployment deployment, string file)
{
    // Until then the code is compiled, and the caches and the tables fill.
    private const double WarmUpShare = 0.3;
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(2);

    private static readonly (string Name, string Unit)[] _columns =
    [
        ("host_memory", "MiB"), ("host_handles", ""), ("host_threads", ""), ("broker_memory", "MiB"), ("broker_handles", ""), ("broker_threads", ""),
        ("store_files", "MiB"), ("broker_files", "MiB"),
    ];

    private readonly List<double[]> _samples = [];

    /// <summary>Takes samples until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        await using var csv = new StreamWriter(file) { AutoFlush = true };
        await csv.WriteLineAsync("seconds," + string.Join(',', _columns.Select(column => column.Name)));
        using var timer = new PeriodicTimer(_interval);
        while (!cancellationToken.IsCancellationRequested)
        {
            if (Sample(clock.Elapsed.TotalSeconds) is { } sample)
            {
                _samples.Add(sample);
                await csv.WriteLineAsync(string.Join(',', sample.Select(value => value.ToString("0.##", CultureInfo.InvariantCulture))));
            }

            try
            {
                await timer.WaitForNextTickAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>The means of the two halves after the warm-up, and the slope per hour by least squares.</summary>
    public IEnumerable<string> Slopes()
    {
        var samples = _samples.Where(sample => sample[0] >= _samples[^1][0] * WarmUpShare).ToList();
        if (samples.Count < 4)
        {
            yield break;
        }

        for (var i = 0; i < _columns.Length; i++)
        {
            var (name, unit) = _columns[i];
            var values = samples.Select(sample => sample[i + 1]).ToList();
            var half = values.Count / 2;
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"{name,-15} mean {values.Take(half).Average(),8:0.0} {unit} then {values.Skip(half).Average(),8:0.0} {unit}, at most {values.Max(),8:0.0} {unit}, slope {Slope(samples, i + 1) * 3_600,8:0.0} {unit}/h");
        }
    }

    private static double Slope(List<double[]> samples, int column)
    {
        var (meanX, meanY) = (samples.Average(sample => sample[0]), samples.Average(sample => sample[column]));
        return samples.Sum(sample => (sample[0] - meanX) * (sample[column] - meanY)) / samples.Sum(sample => (sample[0] - meanX) * (sample[0] - meanX));
    }

    // Null while one of them has just been killed.
    private double[]? Sample(double seconds) =>
        deployment.Host.Usage is { } host && deployment.Broker?.Usage is { } broker && deployment.Broker.IsReady
            ? [
                seconds, MiB(host.ResidentBytes), host.Handles, host.Threads, MiB(broker.ResidentBytes), broker.Handles, broker.Threads,
                MiB(Bytes(deployment.DataFolder, "ecomstream.db*", SearchOption.TopDirectoryOnly)),
                MiB(Bytes(Path.Combine(deployment.DataFolder, "broker"), "*", SearchOption.AllDirectories)),
            ]
            : null;

    private static double MiB(long bytes) => bytes / (double)(1 << 20);

    private static long Bytes(string folder, string pattern, SearchOption search) => new DirectoryInfo(folder).EnumerateFiles(pattern, search).Sum(LengthOf);

    private static long LengthOf(FileInfo info)
    {
        try
        {
            return info.Length;
        }
        catch (FileNotFoundException)
        {
            // A segment that was deleted since it was listed.
            return 0;
        }
    }
}
