using System.CommandLine;
using EcomStream.Cassandra;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream schema print|apply|check</c>: the tables in Cassandra.</summary>
internal static class SchemaCommand
{
    public static Command Create()
    {
        var print = Part("print", "Print the schema as CQL", (admin, _) =>
        {
            Console.Write(admin.Print());
            return Task.FromResult(Exit.Ok);
        });
        var apply = Part("apply", "Make what is missing of the keyspace and tables; what is there stays", async (admin, stop) =>
            await Report(await admin.ApplyAsync(stop)));
        var check = Part("check", "Name every difference between the schema and what is there", async (admin, stop) =>
            await Report(await admin.CheckAsync(stop)));
        return new Command("schema", "Work with the schema in Cassandra") { print, apply, check };
    }

    private static Command Part(string name, string description, Func<CassandraAdmin, CancellationToken, Task<int>> work)
    {
        var common = new CommonOptions();
        var replication = new Option<string?>("--replication")
        {
            Description = "Replication that the keyspace is made with and compared with, such as \"{'class': 'NetworkTopologyStrategy', 'dc1': 3}\"",
        };
        var command = new Command(name, description) { replication };
        common.AddTo(command);
        command.SetAction((result, stop) => Exit.CodeOf(() =>
        {
            var settings = common.Read(result).Cassandra;
            return work(new CassandraAdmin(result.GetValue(replication) is { } given ? settings with { Replication = given } : settings), stop);
        }));
        return command;
    }

    private static async Task<int> Report(IReadOnlyList<string> differences)
    {
        foreach (var difference in differences)
        {
            await Console.Error.WriteLineAsync(difference);
        }

        if (differences.Count == 0)
        {
            Console.WriteLine("The schema is as it should be.");
        }

        return differences.Count == 0 ? Exit.Ok : Exit.Failed;
    }
}
