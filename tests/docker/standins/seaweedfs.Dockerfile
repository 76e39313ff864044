ARG PROGRAMS
FROM ${PROGRAMS}
COPY weed /usr/local/bin/
RUN install -d -o 1000 -g 1000 /data
