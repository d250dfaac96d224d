# Plugins of tests/fault as a corpus: FROM the folder they are built in, TO the corpus. Only what is small.
file(GLOB modules ${FROM}/*.so)
list(LENGTH modules count)
if(count EQUAL 0)
    message(FATAL_ERROR "no plugin in '${FROM}', expected those of tests/fault; build the target viv_faults first")
endif()
file(MAKE_DIRECTORY ${TO})
file(COPY ${modules} DESTINATION ${TO})
