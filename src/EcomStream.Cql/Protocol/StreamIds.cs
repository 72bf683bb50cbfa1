namespace EcomStream.Cql.Protocol;

/// <summary>
/// The stream ids of one connection and what is under way on each (native_protocol_v5.spec, section 2.3). An id whose
/// request has timed out stays taken until its answer comes after all: used again earlier, it would get that answer.
/// Not safe for concurrent use.
/// </summary>
internal sealed class StreamIds
{
    private readonly PendingRequest?[] _pending;
    private readonly short[] _free;
    private int _freeCount;

    public StreamIds(int count)
    {
        _pending = new PendingRequest?[count];
        _free = new short[count];
        for (var id = count - 1; id >= 0; id--)
        {
            _free[_freeCount++] = (short)id;
        }
    }

    /// <summary>Ids that wait for an answer that nobody wants any more.</summary>
    public int Abandoned { get; private set; }

    /// <summary>Ids that are free; it may be read while another thread takes or returns one.</summary>
    public int Free => Volatile.Read(ref _freeCount);

    /// <summary>Takes an id. The caller has seen to it that one is free.</summary>
    public short Take(PendingRequest request)
    {
        var id = _free[--_freeCount];
        _pending[id] = request;
        return id;
    }

    /// <summary>Gives an id back; null when nothing is under way on it.</summary>
    public PendingRequest? Return(short id)
    {
        if (id >= _pending.Length || _pending[id] is not { } request)
        {
            return null;
        }

        _pending[id] = null;
        _free[_freeCount++] = id;
        if (request.IsAbandoned)
        {
            Abandoned--;
        }

        return request;
    }

    /// <summary>Abandons the requests whose deadline has passed, and returns them.</summary>
    public List<PendingRequest> Expire(long now)
    {
        List<PendingRequest>? expired = null;
        foreach (var request in _pending)
        {
            if (request is { IsAbandoned: false } && request.Deadline <= now)
            {
                request.IsAbandoned = true;
                Abandoned++;
                (expired ??= []).Add(request);
            }
        }

        return expired ?? [];
    }

    /// <summary>The requests that somebody waits for and that began at some time or before.</summary>
    public IEnumerable<PendingRequest> Since(long began) =>
        _pending.OfType<PendingRequest>().Where(request => !request.IsAbandoned && request.Began <= began);

    /// <summary>Everything under way that somebody waits for; the ids are not to be used again.</summary>
    public List<PendingRequest> ReturnAll()
    {
        var all = _pending.OfType<PendingRequest>().Where(request => !request.IsAbandoned).ToList();
        Array.Clear(_pending);
        return all;
    }
}
