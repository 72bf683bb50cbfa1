namespace EcomStream.Actors;

/// <summary>
/// Commands of the <see cref="UnmatchedWriter"/>, in a lane per order: one order's commands are carried out in their
/// order and never at the same time, and a lane that has to wait holds up no other. Pure bookkeeping.
/// </summary>
internal sealed class UnmatchedQueue
{
    private readonly Dictionary<long, OrderLane> _lanes = [];
    private readonly Queue<long> _ready = new();

    /// <summary>Whether commands wait in a lane that nobody holds.</summary>
    public bool HasReady => _ready.Count > 0;

    /// <summary>Adds a command.</summary>
    public void Enqueue(UnmatchedCommand command)
    {
        if (!_lanes.TryGetValue(command.RowOrderId, out var lane))
        {
            _lanes.Add(command.RowOrderId, lane = new OrderLane());
            _ready.Enqueue(command.RowOrderId);
        }

        lane.Commands.Enqueue(command);
    }

    /// <summary>
    /// Takes commands of lanes that nobody holds, and holds those lanes until <see cref="Release"/>. One lane gives at
    /// most <paramref name="mostPerLane"/> at once, so that it cannot fill every batch.
    /// </summary>
    /// <returns>The commands by lane; empty when no lane is free.</returns>
    public List<(long RowOrderId, List<UnmatchedCommand> Commands)> Take(int most, int mostPerLane)
    {
        var taken = new List<(long, List<UnmatchedCommand>)>();
        var count = 0;
        while (count < most && _ready.TryDequeue(out var rowOrderId))
        {
            var lane = _lanes[rowOrderId];
            var commands = new List<UnmatchedCommand>();
            while (count < most && commands.Count < mostPerLane && lane.Commands.TryDequeue(out var command))
            {
                commands.Add(command);
                count++;
            }

            taken.Add((rowOrderId, commands));
        }

        return taken;
    }

    /// <summary>A lane's commands have been carried out.</summary>
    public void Release(long rowOrderId)
    {
        if (_lanes[rowOrderId].Commands.Count > 0)
        {
            _ready.Enqueue(rowOrderId);
        }
        else
        {
            _lanes.Remove(rowOrderId);
        }
    }

    private sealed class OrderLane
    {
        public Queue<UnmatchedCommand> Commands { get; } = new();
    }
}
