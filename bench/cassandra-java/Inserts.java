import com.datastax.driver.core.*;
import com.google.common.util.concurrent.MoreExecutors;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The inserts of CassandraScenario.InsertAsync with the Java driver 3.x, for comparison:
 * java -cp "DRIVER_JARS/*" Inserts.java HOST:PORT BATCH_ROWS RUNS
 * The first run warms up. The keyspace ecomstream_bench must be there, as the other side of the comparison makes it.
 */
public class Inserts {
  // As many rows and requests under way as on the other side: four calls of 2,000 rows, max-in-flight of its settings.
  static final int ROWS = 200_000, ROWS_IN_FLIGHT = 8_000, REQUESTS_IN_FLIGHT = 1_024;

  public static void main(String[] args) throws Exception {
    String[] address = args[0].split(":");
    int batchRows = Integer.parseInt(args[1]), runs = Integer.parseInt(args[2]);
    PoolingOptions pool = new PoolingOptions().setMaxRequestsPerConnection(HostDistance.LOCAL, 2_048).setConnectionsPerHost(HostDistance.LOCAL, 1, 1);
    try (Cluster cluster = Cluster.builder().addContactPointsWithPorts(new InetSocketAddress(address[0], Integer.parseInt(address[1])))
        .withCredentials("admin", "admin").withPoolingOptions(pool).withoutJMXReporting().withoutMetrics().build();
        Session session = cluster.connect()) {
      PreparedStatement insert = session.prepare("INSERT INTO ecomstream_bench.orders_payments_facts (order_id, customer_id, item, quantity, price, "
          + "shipping_address, order_status, creation_date) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?");
      insert.setConsistencyLevel(ConsistencyLevel.ONE);
      for (int run = 0; run <= runs; run++) measure(session, insert, batchRows, run == 0);
    }
  }

  static void measure(Session session, PreparedStatement insert, int batchRows, boolean warmUp) throws Exception {
    var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    Semaphore inFlight = new Semaphore(Math.min(REQUESTS_IN_FLIGHT, ROWS_IN_FLIGHT / batchRows));
    AtomicReference<Throwable> failed = new AtomicReference<>();
    int permits = inFlight.availablePermits();
    long cpu = system.getProcessCpuTime(), start = System.nanoTime();
    for (int id = 1; id <= ROWS; ) {
      Statement request;
      if (batchRows == 1) {
        request = row(insert, id++);
      } else {
        BatchStatement batch = new BatchStatement(BatchStatement.Type.UNLOGGED);
        for (int i = 0; i < batchRows && id <= ROWS; i++) batch.add(row(insert, id++));
        batch.setConsistencyLevel(ConsistencyLevel.ONE);
        request = batch;
      }
      inFlight.acquire();
      ResultSetFuture future = session.executeAsync(request);
      future.addListener(() -> {
        try { future.getUninterruptibly(); } catch (Throwable t) { failed.set(t); }
        inFlight.release();
      }, MoreExecutors.directExecutor());
    }
    inFlight.acquire(permits);
    double seconds = (System.nanoTime() - start) / 1e9, micros = (system.getProcessCpuTime() - cpu) / 1e3 / ROWS;
    if (failed.get() != null) throw new IllegalStateException(failed.get());
    System.out.printf("  Java driver %s: %,8.0f rows/s   %.1f us of client CPU per row%s%n",
        batchRows == 1 ? "single inserts" : "batches of " + batchRows, ROWS / seconds, micros, warmUp ? "   (warm-up)" : "");
  }

  static BoundStatement row(PreparedStatement insert, int id) {
    return insert.bind((long) id, (long) (id % 1000), "Laptop", (long) (1 + id % 5), 99.5, "123 Main St, City A, Country", "Shipped", "2024-01-21",
        1_700_000_000_000_000L + id);
  }
}
