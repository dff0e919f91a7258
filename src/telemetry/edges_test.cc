#include "telemetry/edges.h"

#include <gtest/gtest.h>

namespace weft::telemetry {
namespace {

EdgeKey web_to_cart() {
  return {.source = "spiffe://weft.local/ns/default/sa/web",
          .destination = "spiffe://weft.local/ns/default/sa/cart",
          .service = "cart.default",
          .port = 8080,
          .protocol = "http",
          .mtls = true};
}

TEST(Edges, TheSameKeyIsTheSameEdgeWhileTheTableGrows) {
  EdgeTable table;
  Edge& first = table.edge(web_to_cart());
  first.requests.add();
  for (uint16_t port = 1; port < 500; ++port) {
    EdgeKey other = web_to_cart();
    other.port = port;
    table.edge(other);
  }
  EXPECT_EQ(&table.edge(web_to_cart()), &first);
  EXPECT_EQ(first.requests.value(), 1u);
}

TEST(Edges, PastTheCapNewEdgesShareOneCalledOther) {
  EdgeTable table;
  EdgeKey key = web_to_cart();
  for (size_t i = 0; i < EdgeTable::kMaxEdges + 10; ++i) {
    key.service = "s" + std::to_string(i);
    table.edge(key).requests.add();
  }
  uint64_t total = 0, other = 0;
  for (const EdgeTotals& edge : table.snapshot()) {
    total += edge.requests;
    if (edge.key.service == "other") other = edge.requests;
  }
  EXPECT_EQ(total, EdgeTable::kMaxEdges + 10);
  EXPECT_EQ(other, 10u);
}

TEST(Edges, ALostReportIsContainedInTheNext) {
  EdgeTable table;
  EdgeReporter reporter;
  table.edge(web_to_cart()).requests.add(3);
  ASSERT_EQ(reporter.deltas(table.snapshot()).size(), 1u);  // never acknowledged
  table.edge(web_to_cart()).requests.add(2);
  table.edge(web_to_cart()).latency.record(Duration::millis(4));
  auto deltas = reporter.deltas(table.snapshot());
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].requests, 5u);
  reporter.acknowledged();
  EXPECT_TRUE(reporter.deltas(table.snapshot()).empty());
  table.edge(web_to_cart()).errors.add();
  deltas = reporter.deltas(table.snapshot());
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].requests, 0u);
  EXPECT_EQ(deltas[0].errors, 1u);
  EXPECT_EQ(deltas[0].latency.count, 0u);
}

TEST(Edges, TablesOfSeveralWorkersAddUp) {
  EdgeTable one, two;
  one.edge(web_to_cart()).requests.add(3);
  two.edge(web_to_cart()).requests.add(4);
  auto parts = one.snapshot();
  for (auto& part : two.snapshot()) parts.push_back(part);
  const auto merged = merge_edges(parts);
  ASSERT_EQ(merged.size(), 1u);
  EXPECT_EQ(merged[0].requests, 7u);
}

}  // namespace
}  // namespace weft::telemetry
