using EcomStream.Chaos.Faults;

namespace EcomStream.Chaos.Runs;

/// <summary>The summary of a run.</summary>
internal sealed class ChaosReport(ChaosState state, ChaosOptions options)
{
    public void Write(TextWriter output, TimeSpan elapsed)
    {
        var kills = string.Join(", ", state.Faults.OrderByDescending(fault => fault.Value).Select(fault => $"{fault.Key} {fault.Value}"));
        var deadLetters = string.Join(", ", state.DeadLetters.OrderBy(reason => reason.Key, StringComparer.Ordinal).Select(reason => $"{reason.Key} {reason.Value}"));
        output.WriteLine();
        output.WriteLine($"kills                {state.Kills} of {options.Kills}");
        output.WriteLine($"rounds               {state.Rounds}: {kills}");
        output.WriteLine($"checked              {state.Published} messages, {state.Orders} orders, {state.Checked.Count} checkpoints; dead letters received: {deadLetters}");
        output.WriteLine($"host at checkpoints  {state.FirstHostBytes >> 20} MiB first, {state.MaxHostBytes >> 20} MiB at most");
        if (state.TakeOverSeconds.Count > 0)
        {
            var sorted = state.TakeOverSeconds.Order().ToList();
            output.WriteLine($"take-overs           {sorted.Count}: {sorted[sorted.Count / 2]:0.0} s median, {sorted[^1]:0.0} s at most, from the kill until every shard ran");
        }

        output.WriteLine($"time of this call    {elapsed:hh\\:mm\\:ss}");
        if (state.Problems.Count == 0)
        {
            output.WriteLine("result               nothing lost, no wrong row, no false dead letter");
        }
        else
        {
            state.Problems.ForEach(problem => output.WriteLine($"result               FAILED in round {state.Rounds}: {problem}"));
            output.WriteLine($"data and logs        {options.Directory}");
        }

        output.WriteLine($"to repeat            --seed {state.Seed} --kills {options.Kills}{(options.Nodes > 0 ? $" --cluster {options.Nodes}" : "")}");
    }
}
