// Linear probing with backward shifting: no tombstones, so a connection of a million streams probes as short as
// one of a hundred.
#include "wire/http2_streams.h"

#include <algorithm>

#include "base/assert.h"

namespace weft::wire {

namespace {

// Spare records of a quiet connection; each is about 200 octets.
constexpr size_t kMaxSpare = 32;

}  // namespace

Http2Stream* Http2Streams::find(uint32_t id) const {
  if (size_ == 0) return nullptr;
  for (size_t i = home(id); slots_[i]; i = (i + 1) & (slots_.size() - 1)) {
    if (slots_[i]->id == id) return slots_[i].get();
  }
  return nullptr;
}

void Http2Streams::grow() {
  auto old = std::move(slots_);
  slots_.clear();
  slots_.resize(std::max<size_t>(8, old.size() * 2));
  for (auto& record : old) {
    if (!record) continue;
    size_t i = home(record->id);
    while (slots_[i]) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = std::move(record);
  }
}

Http2Stream& Http2Streams::add(uint32_t id) {
  if (2 * (size_ + 1) > slots_.size()) grow();
  std::unique_ptr<Http2Stream> record;
  if (spare_.empty()) {
    record = std::make_unique<Http2Stream>();
  } else {
    record = std::move(spare_.back());
    spare_.pop_back();
  }
  record->id = id;
  size_t i = home(id);
  while (slots_[i]) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = std::move(record);
  ++size_;
  return *slots_[i];
}

void Http2Streams::remove(Http2Stream& stream) {
  const size_t mask = slots_.size() - 1;
  size_t hole = home(stream.id);
  while (slots_[hole].get() != &stream) {
    WEFT_ASSERT(slots_[hole]);
    hole = (hole + 1) & mask;
  }
  std::unique_ptr<Http2Stream> record = std::move(slots_[hole]);
  --size_;
  for (size_t i = (hole + 1) & mask; slots_[i]; i = (i + 1) & mask) {
    // Moves down only what is not above its home already.
    if (((i - home(slots_[i]->id)) & mask) < ((i - hole) & mask)) continue;
    slots_[hole] = std::move(slots_[i]);
    hole = i;
  }
  if (spare_.size() >= kMaxSpare) return;
  *record = Http2Stream{};
  spare_.push_back(std::move(record));
}

void Http2SendQueue::push(Http2Stream& stream) {
  if (stream.queued) return;
  stream.queued = true;
  stream.prev = last_;
  stream.next = nullptr;
  (last_ ? last_->next : first_) = &stream;
  last_ = &stream;
}

void Http2SendQueue::remove(Http2Stream& stream) {
  if (!stream.queued) return;
  stream.queued = false;
  (stream.prev ? stream.prev->next : first_) = stream.next;
  (stream.next ? stream.next->prev : last_) = stream.prev;
}

}  // namespace weft::wire
