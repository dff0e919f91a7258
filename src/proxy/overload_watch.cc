// A timer that fires late is the loop's delay as every connection feels it.
#include "proxy/overload_watch.h"

namespace weft::proxy {
namespace {

std::string_view name_of(Pressure pressure) {
  switch (pressure) {
    case Pressure::kShed: return "new requests are turned away";
    case Pressure::kRefuse: return "no connection is accepted";
    default: return "none";
  }
}

}  // namespace

OverloadWatch::OverloadWatch(Worker& worker, std::function<Usage()> read)
    : worker_(worker), read_(std::move(read)), timer_(worker.loop, [this] { look(); }) {}

void OverloadWatch::start() {
  due_ = worker_.loop.now() + kEvery;
  timer_.arm_at(due_);
}

void OverloadWatch::look() {
  Overload& overload = worker_.overload;
  const Instant now = worker_.loop.now();
  const Duration delay = now - due_;
  due_ = now + kEvery;
  timer_.arm_at(due_);
  if (!overload.take(read_ ? read_() : Usage{}, delay)) return;
  const Pressure pressure = overload.pressure();
  if (pressure == Pressure::kNone) {
    worker_.log.info("not overloaded any more", {{"shed", overload.shed()}});
  } else {
    worker_.log.warn("overloaded", {{"by", overload.cause()},
                                    {"so", name_of(pressure)},
                                    {"memory", overload.usage().memory},
                                    {"descriptors", overload.usage().descriptors},
                                    {"delay_ms", delay.to_millis()}});
  }
  const bool accept = pressure != Pressure::kRefuse;
  if (accept == accept_) return;
  accept_ = accept;
  if (accepting_) accepting_(accept);
}

}  // namespace weft::proxy
