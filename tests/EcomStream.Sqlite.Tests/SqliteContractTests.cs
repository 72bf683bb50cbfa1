using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.Sqlite.Tests;

public sealed class SqliteContractTests : FactStoreContract
{
    private readonly TemporaryFolder _folder = new();

    protected override Task<IFactStore> CreateAsync() =>
        Task.FromResult<IFactStore>(new SqliteFactStore(new SqliteSettings(_folder.File("ecomstream.db"))
        {
            // The contract's rows are years old.
            FinishedTtl = TimeSpan.Zero,
        }));

    protected override async Task<IFactStore?> ReopenAsync()
    {
        await Store.DisposeAsync();
        return await CreateAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>The double that other tests use keeps the same promises as the stores it stands for.</summary>
public sealed class InMemoryContractTests : FactStoreContract
{
    protected override Task<IFactStore> CreateAsync() => Task.FromResult<IFactStore>(new InMemoryFactStore());

    protected override Task<IFactStore?> ReopenAsync() => Task.FromResult<IFactStore?>(null);
}
