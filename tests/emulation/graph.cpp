// Graphs as far as this program uses them: a part of `driver.cpp`. While a stream is recorded nothing happens; a
// graph does all of it when it is launched. It is strict where a GPU fails or is wrong silently: what is recorded may not
// touch the host's memory or free what was not allocated in a graph, no other thread may ask for anything meanwhile, and a
// graph is launched again only when what it allocates has been freed. The file that EMULATED_GRAPHS names gets a point for each graph that is launched.
#include <functional>
#include <map>
#include <thread>

enum { NOT_RECORDABLE = 900 };

using Work = std::function<int()>;
static std::vector<Work>* recording;
static std::thread::id recorder;
// Memory of graphs, and whether it is allocated at the moment. Its place never changes, and it is never given back.
static std::map<void*, bool> graph_memory;

// Does something on the stream, now or, where the stream is recorded, whenever the graph is launched.
static int done(Work work) {
  if (broken) return broken;
  if (recording && std::this_thread::get_id() != recorder) return NOT_RECORDABLE;
  if (recording) return recording->push_back(std::move(work)), OK;
  return settled() ? work() : OK;
}
static int graph_allocated(void* memory) {
  graph_memory[memory] = false;
  return done([memory]() -> int {
    if (graph_memory[memory]) return INVALID;
    return graph_memory[memory] = true, spoil(memory), OK;
  });
}
static int graph_freed(void* memory) {
  if (!graph_memory.count(memory)) return NOT_RECORDABLE;
  return done([memory]() -> int {
    if (!graph_memory[memory]) return INVALID;
    return graph_memory[memory] = false, spoil(memory), OK;
  });
}
API cuStreamBeginCapture_v2(void*, int) {
  if (recording || broken) return driver(INVALID);
  return recorder = std::this_thread::get_id(), recording = new std::vector<Work>, OK;
}
API cuStreamEndCapture(void*, std::vector<Work>** graph) {
  *graph = recording, recording = nullptr;
  return driver(*graph ? OK : INVALID);
}
API cuStreamIsCapturing(void*, int* status) { return *status = recording ? 1 : 0, driver(OK); }
API cuGraphInstantiateWithFlags(std::vector<Work>** made, std::vector<Work>* graph, unsigned long long flags) {
  return *made = new std::vector<Work>(*graph), driver(flags == 0 ? OK : INVALID);
}
API cuGraphLaunch(std::vector<Work>* graph, void*) {
  const std::lock_guard<std::mutex> lock(working);
  if (!current || recording || unsettled || broken) return driver(INVALID);
  if (const char* path = std::getenv("EMULATED_GRAPHS")) {
    FILE* file = std::fopen(path, "a");
    std::fputc('.', file), std::fclose(file);
  }
  for (const Work& work : *graph) {
    if (const int status = settled() ? work() : OK) return status;
  }
  return counts.graph_launches++, OK;
}
API cuGraphExecDestroy(std::vector<Work>* graph) { return delete graph, OK; }
API cuGraphDestroy(std::vector<Work>* graph) { return delete graph, OK; }
API cuMemPoolTrimTo(void*, std::size_t) { return driver(OK); }
