using EcomStream.Benchmarks;

switch (args.FirstOrDefault())
{
    case "join":
        for (var i = 0; i < 5; i++)
        {
            await JoinScenario.RunAsync(orders: 1_000_000, outstanding: args.Length > 1 ? int.Parse(args[1]) : 4_000);
        }

        return 0;
    default:
        Console.Error.WriteLine("usage: join");
        return 2;
}
