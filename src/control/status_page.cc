// Tables are written row by row through one small builder that escapes every cell, so no caller can
// forget to. The content security policy forbids scripts, images and connections altogether.
#include "control/status_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "control/api_json.h"
#include "control/object_summaries.h"

namespace weft::control {
namespace {

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weft status</title>
<style>
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #fff; --text: #1c2430; --dim: #66707f;
  --line: #e3e7ec; --good: #16794a; --warn: #9a6200; --bad: #b3261e; --accent: #3653c9; }
@media (prefers-color-scheme: dark) { :root { --bg: #12151a; --card: #1a1f27; --text: #e4e8ee;
  --dim: #929cab; --line: #2a313c; --good: #5bc98f; --warn: #e5b04b; --bad: #f2867d; --accent: #8ea4ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 20px; margin: 0; } h1 small { color: var(--dim); font-weight: 400; margin-left: 8px; }
h2 { font-size: 14px; margin: 30px 0 8px; color: var(--dim); font-weight: 600; }
.figures { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 18px; }
.figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 10px 16px; min-width: 130px; }
.figure b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.figure span { color: var(--dim); font-size: 12px; }
.box { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 500; font-size: 12px; color: var(--dim); }
th, td { padding: 7px 14px; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td { font-variant-numeric: tabular-nums; } td.n, th.n { text-align: right; white-space: nowrap; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.dim { color: var(--dim); } .name { font-weight: 600; }
.note { border-left: 3px solid var(--warn); padding: 8px 14px; background: var(--card); margin-top: 10px; }
footer { margin-top: 32px; color: var(--dim); font-size: 12px; }
</style></head><body><main>
)";

// What is in a cell: text, and how it looks.
struct Cell {
  std::string text;
  const char* look = "";
  std::string title;  // shown on hovering
};

class Page {
 public:
  Page() : out_(kHead) {}

  void title(const std::string& text, const std::string& small) {
    out_ += "<h1>" + html_escape(text) + "<small>" + html_escape(small) + "</small></h1>\n";
  }
  void figures(std::initializer_list<std::pair<std::string, const char*>> figures) {
    out_ += "<div class=figures>";
    for (const auto& [value, what] : figures) {
      out_ +=
          fmt::format("<div class=figure><b>{}</b><span>{}</span></div>", html_escape(value), what);
    }
    out_ += "</div>\n";
  }
  void note(const std::string& text) {
    out_ += "<div class=note>" + html_escape(text) + "</div>\n";
  }

  // Headings that begin with '#' are of number columns.
  void table(const char* heading, std::initializer_list<const char*> columns) {
    out_ += fmt::format("<h2>{}</h2>\n<div class=box><table><tr>", heading);
    for (const std::string_view column : columns) {
      const bool number = column.starts_with('#');
      out_ += fmt::format("<th{}>{}</th>", number ? " class=n" : "", column.substr(number));
    }
    out_ += "</tr>\n";
  }
  void row(std::initializer_list<Cell> cells) {
    out_ += "<tr>";
    for (const Cell& cell : cells) {
      out_ += "<td";
      if (*cell.look) out_ += fmt::format(" class=\"{}\"", cell.look);
      if (!cell.title.empty()) out_ += " title=\"" + html_escape(cell.title) + "\"";
      out_ += ">" + html_escape(cell.text) + "</td>";
    }
    out_ += "</tr>\n";
  }
  void end_table(bool any, const char* otherwise) {
    if (!any) out_ += fmt::format("<tr><td class=dim>{}</td></tr>", otherwise);
    out_ += "</table></div>\n";
  }
  std::string finish(const std::string& footer) {
    return out_ + "<footer>" + html_escape(footer) + "</footer></main></body></html>\n";
  }

 private:
  std::string out_;
};

std::string join_texts(const std::vector<std::string>& texts, const char* separator) {
  return fmt::format("{}", fmt::join(texts, separator));
}

// "shop/cart" of spiffe://mesh/ns/shop/sa/cart.
std::string short_identity(const std::string& uri) {
  const auto id = model::SpiffeId::parse(uri);
  if (!id || id->workload_name().empty()) return uri;
  return fmt::format("{}/{}", id->workload_namespace(), id->workload_name());
}

std::string span_text(Duration span) {
  const int64_t seconds = span.to_seconds();
  if (seconds < 0) return "expired";
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} days", seconds / 86400);
}

std::string latency_text(Duration d) {
  if (d.ns == 0) return "–";
  if (d.ns < 1'000'000) return fmt::format("{:.2f} ms", static_cast<double>(d.ns) / 1e6);
  if (d.ns < 1'000'000'000) return fmt::format("{:.1f} ms", static_cast<double>(d.ns) / 1e6);
  return fmt::format("{:.2f} s", d.to_seconds_f());
}

Cell served_cell(const Served& served) {
  if (!served.problem.empty())
    return {served.withheld ? "not sent" : "refused", "bad", served.problem};
  if (served.users == 0) return {"no user yet", "dim", ""};
  return {fmt::format("{} of {}", served.current, served.users),
          served.current == served.users ? "good" : "warn", ""};
}

Cell conditions_cell(const std::vector<Condition>& conditions) {
  for (const Condition& condition : conditions) {
    if (!condition.ok) return {condition.reason + ": " + condition.message, "bad", ""};
  }
  return {"in force", "good", ""};
}

void services(Page& page, const std::vector<ServiceRow>& rows) {
  page.table("Services", {"Name", "Address", "Ports", "#Ready", "#Served by", "State"});
  for (const ServiceRow& row : rows) {
    std::string ports;
    for (const ServiceRow::Port& port : row.ports) {
      ports += fmt::format("{}{}/{}", ports.empty() ? "" : ", ", port.port, port.protocol);
    }
    Cell served = served_cell(row.served);
    page.row({{row.name.to_string(), "name"},
              {row.headless ? "headless" : row.vip4, "", row.vip6},
              {ports},
              {fmt::format("{} of {}", row.ready, row.instances), row.ready == 0 ? "n bad"
                                                                  : row.ready < row.instances
                                                                      ? "n warn"
                                                                      : "n good"},
              {served.text, "n", served.title},
              row.implicit ? Cell{"from workloads", "dim"} : conditions_cell(row.conditions)});
  }
  page.end_table(!rows.empty(),
                 "none yet: start a program with weft run --service NAME:PORT -- COMMAND");
}

void instances(Page& page, const StatusView& view) {
  page.table("Instances", {"Instance", "State", "Services", "Identity", "Mesh address", "Sidecar",
                           "#Certificate"});
  for (const InstanceStatus& row : view.instances) {
    const bool good = row.state == "serving";
    std::vector<std::string> said = row.notes;
    if (!row.why.empty()) said.insert(said.begin(), row.why);
    const Duration left = row.svid_expires - view.now;
    const bool known = row.svid_expires.unix_ns != 0;
    page.row(
        {{row.id, "name"},
         {row.state + (said.empty() ? "" : ": " + join_texts(said, "; ")), good ? "good" : "warn"},
         {join_texts(row.services, ", ")},
         {short_identity(row.identity), "", row.identity},
         {row.mesh4, "", row.mesh6},
         {row.address},
         {known ? span_text(left) : "–", left.ns < 0 && known ? "n bad" : "n"}});
  }
  page.end_table(!view.instances.empty(), "none");
}

void edges(Page& page, const StatusView& view) {
  page.table("Calls in the last minute", {"From", "To", "Service", "Protocol", "mTLS",
                                          "#Per second", "#Success", "#p50", "#p99"});
  for (const EdgeStatus& row : view.edges) {
    const char* look = row.success_ratio >= 0.999  ? "n good"
                       : row.success_ratio >= 0.95 ? "n warn"
                                                   : "n bad";
    page.row({{short_identity(row.source), "", row.source},
              {short_identity(row.destination), "", row.destination},
              {row.port ? fmt::format("{}:{}", row.service, row.port) : row.service},
              {row.protocol},
              row.mtls ? Cell{"yes", "good"} : Cell{"no", "warn"},
              {fmt::format("{:.1f}", row.requests_per_second), "n"},
              {fmt::format("{:.2f} %", row.success_ratio * 100), look},
              {latency_text(row.p50), "n"},
              {latency_text(row.p99), "n"}});
  }
  page.end_table(!view.edges.empty(), "none");
}

void routes(Page& page, const std::vector<RouteRow>& rows) {
  page.table("Routes", {"Kind", "Name", "Of", "Rules", "#Served by", "State"});
  for (const RouteRow& row : rows) {
    Cell served = served_cell(row.served);
    page.row({{row.key.kind},
              {row.key.ns + "/" + row.key.name, "name"},
              {join_texts(row.parents, ", ")},
              {join_texts(row.rules, " · ")},
              {served.text, "n", served.title},
              conditions_cell(row.conditions)});
  }
  page.end_table(!rows.empty(), "none: every service goes to its own instances");
}

void objects(Page& page, const std::vector<ObjectSummary>& rows, WallTime now) {
  page.table("Gateways, policies, other objects",
             {"Kind", "Name", "Of", "#Served by", "State", "#Ends in"});
  for (const ObjectSummary& row : rows) {
    Cell served = served_cell(row.served);
    const bool well = row.state == "in force";
    page.row({{row.key.kind},
              {row.key.ns.empty() ? row.key.name : row.key.ns + "/" + row.key.name, "name"},
              {join_texts(row.of, ", ")},
              {served.text, "n", served.title},
              {well ? row.state : row.state + (row.why.empty() ? "" : ": ") + row.why,
               well ? "good" : "bad"},
              {row.expires.unix_ns == 0 ? "" : span_text(row.expires - now), "n"}});
  }
  page.end_table(!rows.empty(), "none");
}

void certificates(Page& page, const StatusView& view) {
  page.table("Certificates", {"Which", "From", "Until", "#Left", ""});
  for (const CertificateStatus& row : view.certificates) {
    page.row({{row.what, "name"},
              {json_time(row.not_before)},
              {json_time(row.not_after)},
              {span_text(row.not_after - view.now), row.not_after < view.now ? "n bad" : "n"},
              {row.note, "dim"}});
  }
  page.end_table(!view.certificates.empty(), "none");
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string render_status_page(const StatusView& view, const Compiler& compiler,
                               const ServedFn& served) {
  const std::vector<ServiceRow> service_list = service_rows(compiler, served);
  const auto serving = std::ranges::count(view.instances, "serving", &InstanceStatus::state);
  double rate = 0, succeeded = 0;
  for (const EdgeStatus& edge : view.edges) {
    rate += edge.requests_per_second;
    succeeded += edge.requests_per_second * edge.success_ratio;
  }
  Page page;
  page.title("Weft", "trust domain " + view.trust_domain);
  page.figures({{std::to_string(service_list.size()), "services"},
                {fmt::format("{} of {}", serving, view.instances.size()), "instances serving"},
                {std::to_string(view.proxies), "sidecars connected"},
                {fmt::format("{:.1f}", rate), "requests a second"},
                {rate > 0 ? fmt::format("{:.2f} %", 100 * succeeded / rate) : "–", "successful"}});
  const std::vector<ObjectSummary> object_list = object_summaries(compiler, served, view.now);
  for (const std::string& warning : view.warnings) page.note(warning);
  for (const std::string& fault : faults_in_force(object_list)) page.note(fault);
  services(page, service_list);
  instances(page, view);
  edges(page, view);
  routes(page, route_rows(compiler, served));
  objects(page, object_list, view.now);
  certificates(page, view);
  return page.finish(fmt::format("Weft {} · discovery on {} · running since {} · as of {}",
                                 view.version, view.discovery, json_time(view.started),
                                 json_time(view.now)));
}

}  // namespace weft::control
